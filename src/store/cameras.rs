//! What is kept of cameras as such.

use super::database::Database;
use super::{Store, StoreError};
use crate::domain::camera::CameraId;

impl Store {
    /// Cameras whose analyzer left a state, also those that are not configured any more.
    pub async fn analyzed_cameras(&self) -> Result<Vec<CameraId>, StoreError> {
        self.call(|db| db.analyzed_cameras()).await
    }
}

impl Database {
    fn analyzed_cameras(&self) -> Result<Vec<CameraId>, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT camera FROM analyzer ORDER BY camera")?;
        let ids = statement.query_map([], |row| row.get::<_, String>(0))?;
        ids.filter_map(|id| id.map(|id| CameraId::new(&id)).transpose())
            .collect::<Result<_, _>>()
            .map_err(StoreError::from)
    }
}
