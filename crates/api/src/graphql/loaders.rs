//! Rows by their ids, read in batches: what many objects of one answer ask for is one question to the store.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::{Context, Result};
use octocity_domain::{FacilityId, ReservationId, Timestamp, VisitId};
use octocity_log::Position;
use octocity_projections::facilities::FacilityRow;
use octocity_projections::parking::{VisitRow, queries};
use octocity_projections::reservations::ReservationRow;
use octocity_projections::sessions::SessionRow;
use octocity_projections::{Field, Query, ReadModels, Row, StoreError};

use super::Api;
use super::facilities::FacilityObject;
use super::parking::{Details, OccupancyObject, PastPools, Reads, VisitObject};
use super::reservations::ReservationObject;
use super::sessions::SessionObject;
use crate::faults::failed;

/// The object of type `T` that belongs to the id.
#[derive(Debug)]
pub struct Of<T, K> {
    id: K,
    object: PhantomData<fn() -> T>,
}

impl<T, K> Of<T, K> {
    pub const fn new(id: K) -> Self {
        Self { id, object: PhantomData }
    }
}
impl<T, K: Clone> Clone for Of<T, K> {
    fn clone(&self) -> Self {
        Self::new(self.id.clone())
    }
}
impl<T, K: PartialEq> PartialEq for Of<T, K> {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}
impl<T, K: Eq> Eq for Of<T, K> {}
impl<T, K: Hash> Hash for Of<T, K> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

/// The one loader; it keeps nothing between batches.
pub struct Rows {
    api: Arc<Api>,
}

impl Rows {
    pub fn new(api: &Arc<Api>) -> Self {
        Self { api: Arc::clone(api) }
    }
    fn models(&self) -> &ReadModels {
        &self.api.models
    }

    async fn by_column<R, K, T>(
        &self,
        column: &'static str,
        keys: &[Of<T, K>],
        id: impl Fn(&R) -> K,
        show: impl Fn(R) -> T,
    ) -> Result<HashMap<Of<T, K>, T>, StoreError>
    where
        R: Row,
        K: Field + Clone + Eq + Hash,
    {
        let ids: Vec<K> = keys.iter().map(|key| key.id.clone()).collect();
        let found = Query::<R>::new().is_in(column, &ids).run(&*self.models().store).await?;
        Ok(found.rows.into_iter().map(|row| (Of::new(id(&row)), show(row))).collect())
    }
}

/// The row that a query itself names, if there is one, with its position. Not by the loader: what that merges of several requests
/// are lists of any length, each a statement of its own to PostgreSQL, where the questions for one row share one.
pub async fn find<R: Row>(api: &Api, column: &'static str, id: &impl Field) -> Result<(Option<R>, Position)> {
    let found = Query::<R>::new().eq(column, id).first(1).run(&*api.models.store).await;
    let mut found = found.map_err(|fault| failed(R::TABLE.name, &fault))?;
    Ok((found.rows.pop(), found.position))
}

/// The object, or null where there is none.
pub async fn load<T, K, V>(context: &Context<'_>, key: Of<T, K>) -> Result<Option<V>>
where
    Rows: Loader<Of<T, K>, Value = V, Error = StoreError>,
    Of<T, K>: Send + Sync + Hash + Eq + Clone + 'static,
{
    let loader = context.data_unchecked::<DataLoader<Rows>>();
    loader.load_one(key).await.map_err(|fault| failed("loading rows by their ids", &fault))
}

/// The objects that there are, in the keys' order.
pub async fn load_many<T, K, V>(context: &Context<'_>, keys: impl Iterator<Item = Of<T, K>>) -> Result<Vec<V>>
where
    Rows: Loader<Of<T, K>, Value = V, Error = StoreError>,
    Of<T, K>: Send + Sync + Hash + Eq + Clone + 'static,
{
    let keys: Vec<Of<T, K>> = keys.collect();
    let loader = context.data_unchecked::<DataLoader<Rows>>();
    let found = loader.load_many(keys.clone()).await;
    let mut found = found.map_err(|fault| failed("loading rows by their ids", &fault))?;
    Ok(keys.iter().filter_map(|key| found.remove(key)).collect())
}

type Loaded<T, K, V = T> = Result<HashMap<Of<T, K>, V>, StoreError>;

impl Loader<Of<FacilityObject, FacilityId>> for Rows {
    type Value = FacilityObject;
    type Error = StoreError;
    async fn load(&self, keys: &[Of<FacilityObject, FacilityId>]) -> Loaded<FacilityObject, FacilityId> {
        self.by_column("facility", keys, |row: &FacilityRow| row.facility, FacilityObject::from).await
    }
}

impl Loader<Of<VisitObject, VisitId>> for Rows {
    type Value = VisitObject;
    type Error = StoreError;
    async fn load(&self, keys: &[Of<VisitObject, VisitId>]) -> Loaded<VisitObject, VisitId> {
        self.by_column("visit", keys, |row: &VisitRow| row.visit, VisitObject::from).await
    }
}

impl Loader<Of<SessionObject, VisitId>> for Rows {
    type Value = SessionObject;
    type Error = StoreError;
    async fn load(&self, keys: &[Of<SessionObject, VisitId>]) -> Loaded<SessionObject, VisitId> {
        self.by_column("visit", keys, |row: &SessionRow| row.visit, SessionObject::from).await
    }
}

impl Loader<Of<ReservationObject, ReservationId>> for Rows {
    type Value = ReservationObject;
    type Error = StoreError;
    async fn load(
        &self,
        keys: &[Of<ReservationObject, ReservationId>],
    ) -> Loaded<ReservationObject, ReservationId> {
        let id = |row: &ReservationRow| row.reservation;
        self.by_column("reservation", keys, id, ReservationObject::from).await
    }
}

impl Loader<Of<OccupancyObject, (FacilityId, Details)>> for Rows {
    /// Each who asked has it, and it is large.
    type Value = Arc<OccupancyObject>;
    type Error = StoreError;
    async fn load(
        &self,
        keys: &[Of<OccupancyObject, (FacilityId, Details)>],
    ) -> Loaded<OccupancyObject, (FacilityId, Details), Self::Value> {
        let facilities: BTreeSet<FacilityId> = keys.iter().map(|key| key.id.0).collect();
        let facilities: Vec<FacilityId> = facilities.into_iter().collect();
        let details = keys.iter().fold(Details::default(), |all, key| all.or(key.id.1));
        let found = OccupancyObject::of_many(&self.api, &facilities, details, Reads::Stored).await?;
        let found: HashMap<_, _> = found.into_iter().map(|found| (found.key(), Arc::new(found))).collect();
        let with = |key: &Of<_, (FacilityId, _)>| Some((key.clone(), Arc::clone(found.get(&key.id.0)?)));
        Ok(keys.iter().filter_map(with).collect())
    }
}

impl Loader<Of<PastPools, (FacilityId, Timestamp)>> for Rows {
    type Value = PastPools;
    type Error = StoreError;
    /// One row is read for each pool, however long the log is.
    async fn load(
        &self,
        keys: &[Of<PastPools, (FacilityId, Timestamp)>],
    ) -> Loaded<PastPools, (FacilityId, Timestamp)> {
        let facilities: Vec<FacilityId> = keys.iter().map(|key| key.id.0).collect();
        let rows = Query::<octocity_projections::parking::OccupancyRow>::new()
            .is_in("facility", &facilities)
            .run(&*self.models().store)
            .await?;
        let mut found = HashMap::new();
        for key in keys {
            let (facility, at) = key.id;
            let mut past = PastPools { at, position: rows.position, pools: Vec::new() };
            for row in rows.rows.iter().filter(|row| row.facility == facility) {
                let pool = queries::occupancy_at(&*self.models().store, facility, row.pool, at).await?;
                past.position = past.position.min(pool.position);
                past.pools.push((row.pool, pool.inside));
            }
            found.insert(key.clone(), past);
        }
        Ok(found)
    }
}
