//! Which partition a key belongs to. We compute it ourselves, over the configured count: partitions that somebody
//! adds to the topic stay empty, and no key ever moves.

use octocity_domain::FacilityId;

/// FNV-1a of 64 bits (draft-eastlake-fnv), its halves folded together. Fixed for ever: topics rest on it.
pub fn partition_of(key: FacilityId, partitions: i32) -> i32 {
    let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let hash = key.uuid().as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, fold);
    let folded = (hash >> 32) ^ (hash & 0xffff_ffff);
    (folded % u64::from(partitions.max(1).unsigned_abs())) as i32
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn key(number: u128) -> FacilityId {
        FacilityId(Uuid::from_u128(number))
    }

    #[test]
    fn a_key_stays_where_it_is_for_ever() {
        let known =
            [0, 1, 0x018b_cfe5_6864_8abc_9def_0000_0000_0001].map(|number| partition_of(key(number), 12));
        assert_eq!(known, [0, 11, 7]);
    }

    #[test]
    fn keys_are_spread_evenly() {
        let mut counts = [0_u32; 12];
        for number in 0..12_000 {
            counts[partition_of(key(number << 16), 12) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (800..1_200).contains(count)), "{counts:?}");
    }
}
