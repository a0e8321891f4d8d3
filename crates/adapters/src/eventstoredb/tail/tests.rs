use super::*;
use octocity_domain::Timestamp;
use uuid::Uuid;

fn entry(id: u128) -> LedgerEntry {
    LedgerEntry {
        command_id: CommandId(Uuid::from_u128(id)),
        body_hash: [0; 16],
        first_revision: 0,
        events: 0,
        refusal: None,
        decided_at: Timestamp::default(),
        position: Position::default(),
    }
}

/// One record with one command.
fn append(tail: &mut Tail, id: u128) -> Vec<u64> {
    let known = entry(id);
    let encoded = Encoded {
        records: Vec::new(),
        ceilings: vec![tail.ceiling],
        places: vec![(known.command_id, 0)],
        bytes: 0,
    };
    let late = tail.late(&encoded).into_iter().map(|(_, record)| record).collect();
    tail.appended(&encoded, &[known], 0, Position::default());
    late
}

#[test]
fn an_id_is_late_when_a_higher_one_stands_far_before_it() {
    let mut tail = Tail::default();
    for id in 0..u128::from(SLACK) {
        assert!(append(&mut tail, 10 * (id + 1)).is_empty());
    }
    assert!(append(&mut tail, 5).is_empty(), "nothing stands that far before it");
    for id in 0..u128::from(SLACK) {
        assert!(append(&mut tail, 20_000 + id).is_empty());
    }
    assert_eq!(append(&mut tail, 15).len(), 1);
    assert!(
        append(&mut tail, 20_000 + u128::from(SLACK) - 100).is_empty(),
        "a little out of order is not late"
    );
}

#[test]
fn the_window_knows_all_ids_above_what_it_let_go() {
    let mut tail = Tail::default();
    for id in 1..=WINDOW as u128 + 10 {
        append(&mut tail, id);
    }
    let id = |number| CommandId(Uuid::from_u128(number));
    assert_eq!(tail.lookup(id(10)), None);
    assert!(tail.lookup(id(11)).is_some_and(|entry| entry.is_some()));
    assert_eq!(tail.lookup(id(1_000_000)), Some(None));
    assert_eq!(tail.window(2).floor, Some(id(WINDOW as u128 + 9)));
    assert_eq!(tail.window(WINDOW * 2).floor, Some(id(11)));
}
