//! Stores of other versions: an older one is taken over whole, a newer one is refused and left alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use gridwatch::clock::SystemClock;
use gridwatch::config::model::Storage;
use gridwatch::domain::camera::CameraId;
use gridwatch::store::{AuthKey, Inspection, Pick, Store};
use rusqlite::Connection;
use rusqlite::types::Value;

use super::*;

const SCHEMA_1: &str = include_str!("../../fixtures/store/schema-1.sql");

/// A state directory as a program of schema 1 left it.
fn old_store(state: &Path) -> Storage {
    std::fs::create_dir_all(state.join("evidence")).unwrap();
    let database = Connection::open(state.join("gridwatch.db")).unwrap();
    database.execute_batch(SCHEMA_1).unwrap();
    for (picture, n, revision) in [(1, 1, 1), (2, 2, 2), (3, 4, 1)] {
        let bytes = format!("\u{ff}picture {n} {revision}").repeat(100);
        std::fs::write(state.join(format!("evidence/{picture}.jpg")), bytes).unwrap();
    }
    Storage {
        state_dir: state.to_owned(),
        evidence_max_age: Duration::from_secs(86_400 * 3650),
        evidence_max_bytes: 1 << 20,
        database_max_bytes: 64 << 20,
    }
}

/// Every row of every table, in the columns of `of` where it is given.
fn rows(state: &Path, of: Option<&BTreeMap<String, Table>>) -> BTreeMap<String, Table> {
    let database = Connection::open(state.join("gridwatch.db")).unwrap();
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let names: Vec<String> =
        database.prepare(sql).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let wanted = names.into_iter().filter(|name| of.is_none_or(|of| of.contains_key(name)));
    wanted.map(|name| (name.clone(), read(&database, &name, of.map(|of| &of[&name].0[..])))).collect()
}

/// Columns and rows.
type Table = (Vec<String>, Vec<Vec<Value>>);

fn read(database: &Connection, table: &str, columns: Option<&[String]>) -> Table {
    let list = columns.map_or_else(|| "*".to_owned(), |columns| columns.join(", "));
    let mut statement = database
        .prepare(&format!("SELECT {list} FROM {table} ORDER BY 1, 2"))
        .or_else(|_| database.prepare(&format!("SELECT {list} FROM {table} ORDER BY 1")));
    let statement = statement.as_mut().unwrap();
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let width = columns.len();
    let row = |row: &rusqlite::Row<'_>| (0..width).map(|index| row.get(index)).collect::<Result<Vec<Value>, _>>();
    let rows = statement.query_map([], row).unwrap().map(Result::unwrap).collect();
    (columns, rows)
}

#[tokio::test]
async fn a_store_of_schema_1_is_taken_over_without_loss() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let storage = old_store(&state);
    let before = rows(&state, None);
    assert!(before.len() >= 14 && before["outbox"].1.len() == 7, "{before:#?}");

    let (store, report) = Store::open(&storage, Arc::new(SystemClock::new())).unwrap();
    assert_eq!((report.set_aside, report.orphans_removed, report.pending), (None, 0, 3));
    let login =
        |host: &str| AuthKey { host: host.to_owned(), account: "admin".to_owned(), fingerprint: "ab".repeat(32) };
    assert_eq!(store.auth_failures(login("10.0.0.9")).await.unwrap(), 1);
    let words = store.unapplied_feedback(CameraId::new("cam-1").unwrap()).await.unwrap();
    assert_eq!(words.iter().map(|word| word.seq).collect::<Vec<_>>(), [4]);
    let accounting = store.accounting().await.unwrap();
    assert!(accounting.balances(), "{accounting:?}");
    assert_eq!((accounting.produced, accounting.pending, accounting.lost), (8, 3, 0));
    store.close().await.unwrap();

    // Columns and rows may be new; what was there is there.
    let after = rows(&state, Some(&before));
    for (table, (columns, kept)) in &before {
        let (same_columns, found) = &after[table];
        assert_eq!(columns, same_columns, "{table}");
        for row in kept {
            assert!(found.contains(row), "{table}: {row:?} in {found:#?}");
        }
    }
    let found = Inspection::open(&state, folder.path()).unwrap();
    assert!(found.damage().unwrap().is_none());

    // It works on: what was in quarantine goes out with what waited.
    assert!(!Store::requeue_beside(&state, &[Pick::Quarantined]).unwrap().is_empty());
    let (store, _) = Store::open(&storage, Arc::new(SystemClock::new())).unwrap();
    let batch = store.next_batch(100, Vec::new()).await.unwrap();
    let events: Vec<_> = batch.iter().filter(|message| message.evidence.is_none()).collect();
    assert!(events.iter().any(|message| &message.body[..] == br#"{"event":2,"seq":3}"#), "{events:#?}");
    assert!(batch.len() >= 4, "{batch:#?}");
    store.close().await.unwrap();
}

#[test]
fn a_newer_store_is_refused_in_plain_words_however_often_it_is_tried() {
    let mut site = Site::new(1, 1);
    site.keep_cameras(&["cam-quiet"]);
    let state = site.path().join("state");
    old_store(&state);
    let database = state.join("gridwatch.db");
    Connection::open(&database).unwrap().execute_batch("PRAGMA user_version = 999").unwrap();
    let kept = std::fs::read(&database).unwrap();
    // The last of them is in safe mode.
    for _ in 0..6 {
        let output = site.gridwatch(&["run"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("written by a newer gridwatch (schema 999"), "{said}");
        assert!(said.contains("install that version again"), "{said}");
    }
    assert!(std::fs::read(&database).unwrap() == kept, "the database was changed");
    let names = std::fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names.into_iter().all(|name| !name.contains(".bad-")));
}
