//! What the read models say, as one hash per table: over the rows' contents in key order, in an encoding of their
//! own, so that every store, batch cut and rebuild gives the same.

use octocity_log::Position;
use sha2::{Digest, Sha256};

use crate::row::{Table, Value};
use crate::store::{RowStore, Select, StoreError};

const ROWS_PER_READ: usize = 1_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableHash {
    pub table: &'static str,
    pub rows: u64,
    /// SHA-256 in hexadecimal.
    pub hash: String,
}

/// The hash of one table. Nothing may write it meanwhile.
pub async fn hash(store: &dyn RowStore, table: &'static Table) -> Result<TableHash, StoreError> {
    let mut digest = Sha256::new();
    for column in table.columns {
        put(&mut digest, b'c', column.name.as_bytes());
    }
    let mut rows = 0_u64;
    let mut after = None;
    let mut position = None::<Position>;
    loop {
        let select = Select { after: after.take(), limit: ROWS_PER_READ, ..Select::new(table) };
        let page = store.select(select).await?;
        if *position.get_or_insert(page.position) != page.position {
            return Err(StoreError::Unavailable(
                "the read models moved on; stop the server first".to_owned(),
            ));
        }
        for row in &page.rows {
            row.iter().for_each(|value| put_value(&mut digest, value));
        }
        rows += page.rows.len() as u64;
        after = page.rows.last().map(|row| row[..table.key_columns].to_vec());
        if !page.has_more {
            break;
        }
    }
    let hash = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(TableHash { table: table.name, rows, hash })
}

/// The hashes of all read model tables, by name.
pub async fn hash_all(store: &dyn RowStore) -> Result<Vec<TableHash>, StoreError> {
    let mut tables = crate::views::tables();
    tables.sort_by_key(|table| table.name);
    let mut hashes = Vec::with_capacity(tables.len());
    for table in tables {
        hashes.push(hash(store, table).await?);
    }
    Ok(hashes)
}

fn put(digest: &mut Sha256, kind: u8, bytes: &[u8]) {
    digest.update([kind]);
    digest.update((bytes.len() as u64).to_be_bytes());
    digest.update(bytes);
}

fn put_value(digest: &mut Sha256, value: &Value) {
    match value {
        Value::Null => put(digest, b'n', &[]),
        Value::Int(number) => put(digest, b'i', &number.to_be_bytes()),
        Value::Id(id) => put(digest, b'u', id.as_bytes()),
        Value::Text(text) => put(digest, b't', text.as_bytes()),
    }
}
