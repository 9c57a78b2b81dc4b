//! The store from outside the program that works with it: beside a running gateway, on a copy, on a disk that can
//! only be read. Nothing here creates a store, repairs one, or takes its lock.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use tempfile::TempDir;
use url::Url;

use super::database::{FILE_NAME, LOG_NAME, file_error};
use super::schema::{APPLICATION_ID, SCHEMA_VERSION};
use super::{AuthKey, StoreError};

/// How long the running gateway may keep us from writing; its transactions take milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// Refused logins; empty if there is no database.
pub(super) fn read_auth_failures(directory: &Path) -> Result<Vec<(AuthKey, u32)>, StoreError> {
    let path = directory.join(FILE_NAME);
    if !path.try_exists().map_err(|error| file_error(&path, error))? {
        return Ok(Vec::new());
    }
    let connection = connect_in_place(directory)?;
    let mut statement = connection.prepare("SELECT host, account, fingerprint, failures FROM auth_stop")?;
    let rows = statement.query_map([], |row| {
        Ok((AuthKey { host: row.get(0)?, account: row.get(1)?, fingerprint: row.get(2)? }, row.get(3)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// For changing rows beside a running gateway.
pub(super) fn connect_to_write(directory: &Path) -> Result<Connection, StoreError> {
    let path = existing(directory)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&path, flags)
        .and_then(|connection| {
            connection.busy_timeout(PATIENCE)?;
            connection.execute_batch("PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;")?;
            Ok(connection)
        })
        .map_err(|source| unreadable(&path, source))?;
    check(&connection, &path)?;
    Ok(connection)
}

/// For reading, whatever the disk allows. Where the log can only be read on a disk that can be written, database and
/// log are copied into a folder of their own below `scratch`, which is deleted with the second value.
pub(super) fn connect_to_read(directory: &Path, scratch: &Path) -> Result<(Connection, Option<TempDir>), StoreError> {
    let path = existing(directory)?;
    let in_place = connect_in_place(directory);
    match in_place.and_then(|connection| check(&connection, &path).map(|()| connection)) {
        Ok(connection) => Ok((connection, None)),
        Err(error) if wants_a_copy(&error) => {
            tracing::info!(%error, scratch = %scratch.display(), "the database cannot be read in its place; reading a copy");
            connect_to_copy(directory, scratch).map(|(connection, copy)| (connection, Some(copy)))
        }
        Err(error) => Err(error),
    }
}

/// Reads copies of database and log.
pub(super) fn connect_to_copy(directory: &Path, scratch: &Path) -> Result<(Connection, TempDir), StoreError> {
    let copy = tempfile::Builder::new().prefix("gridwatch-").tempdir_in(scratch);
    let copy = copy.map_err(|error| file_error(scratch, error))?;
    for name in [FILE_NAME, LOG_NAME] {
        let from = directory.join(name);
        match fs::copy(&from, copy.path().join(name)) {
            Err(error) if name == LOG_NAME && error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(file_error(&from, error)),
            Ok(_) => {}
        }
    }
    let path = copy.path().join(FILE_NAME);
    let connection = Connection::open(&path).map_err(|source| unreadable(&directory.join(FILE_NAME), source))?;
    check(&connection, &directory.join(FILE_NAME))?;
    Ok((connection, copy))
}

/// Opens without the lock and without leaving a file behind.
fn connect_in_place(directory: &Path) -> Result<Connection, StoreError> {
    let path = directory.join(FILE_NAME);
    let mut url = Url::from_file_path(std::path::absolute(&path).map_err(|error| file_error(&path, error))?)
        .map_err(|()| file_error(&path, std::io::ErrorKind::InvalidFilename.into()))?;
    // Without a log nobody writes, and SQLite would make one.
    if !directory.join(LOG_NAME).exists() {
        url.set_query(Some("immutable=1"));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(url.as_str(), flags).map_err(|source| unreadable(&path, source))
}

fn existing(directory: &Path) -> Result<std::path::PathBuf, StoreError> {
    let path = directory.join(FILE_NAME);
    match path.try_exists() {
        Ok(true) => Ok(path),
        Ok(false) => Err(StoreError::Missing(path)),
        Err(error) => Err(file_error(&path, error)),
    }
}

/// Whether it is a store of this version or an older one, and its first page can be read.
fn check(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let read = || Ok((number("PRAGMA application_id")?, number("PRAGMA user_version")?));
    let (application, version) = read().map_err(|source| unreadable(path, source))?;
    if application != APPLICATION_ID {
        return Err(StoreError::NotAStore(path.to_owned()));
    }
    if version > SCHEMA_VERSION {
        return Err(StoreError::Newer { path: path.to_owned(), found: version, known: SCHEMA_VERSION });
    }
    number("SELECT count(*) FROM sqlite_schema").map_err(|source| unreadable(path, source))?;
    Ok(())
}

fn unreadable(path: &Path, source: rusqlite::Error) -> StoreError {
    StoreError::Unreadable { path: path.to_owned(), source }
}

/// A gateway that does not let us write says so in words of its own.
pub(super) fn busy_or(directory: &Path, error: rusqlite::Error) -> StoreError {
    if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) {
        StoreError::Busy(directory.join(FILE_NAME))
    } else {
        error.into()
    }
}

/// A log needs an index beside it, which cannot be made where nothing can be written.
fn wants_a_copy(error: &StoreError) -> bool {
    let StoreError::Unreadable { source, .. } = error else { return false };
    let code = source.sqlite_error_code();
    matches!(code, Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::SystemIoFailure))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_what_is_in_the_log_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let (state, left, scratch) = (folder.path().join("state"), folder.path().join("left"), folder.path().join("s"));
        for folder in [&state, &left, &scratch] {
            fs::create_dir(folder).expect("made");
        }
        let writer = Connection::open(state.join(FILE_NAME)).expect("opened");
        writer.query_row("PRAGMA journal_mode=WAL", [], |_| Ok(())).expect("WAL");
        writer.pragma_update(None, "application_id", APPLICATION_ID).expect("ours");
        writer.execute_batch("CREATE TABLE t(n); INSERT INTO t VALUES(7);").expect("written");
        for name in [FILE_NAME, LOG_NAME] {
            fs::copy(state.join(name), left.join(name)).expect("copied");
        }
        let (copy, folder) = connect_to_copy(&left, &scratch).expect("readable");
        assert_eq!(copy.query_row("SELECT n FROM t", [], |row| row.get::<_, i64>(0)).expect("there"), 7);
        drop((copy, folder));
        assert_eq!(fs::read_dir(&scratch).expect("there").count(), 0);
        assert_eq!(fs::read_dir(&left).expect("there").count(), 2, "no index beside the log");
        assert!(matches!(connect_to_copy(&left.join("nothing"), &scratch), Err(StoreError::File { .. })));
    }

    #[test]
    fn only_what_a_copy_can_help_is_copied() {
        let error = |code| {
            let source = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
            unreadable(Path::new("db"), source)
        };
        for code in [rusqlite::ffi::SQLITE_CANTOPEN, rusqlite::ffi::SQLITE_READONLY, rusqlite::ffi::SQLITE_IOERR] {
            assert!(wants_a_copy(&error(code)), "{code}");
        }
        for code in [rusqlite::ffi::SQLITE_CORRUPT, rusqlite::ffi::SQLITE_NOTADB, rusqlite::ffi::SQLITE_BUSY] {
            assert!(!wants_a_copy(&error(code)), "{code}");
        }
    }
}
