//! A database that the disk has changed within its values and names, where the library's own check does not look.

use std::collections::BTreeSet;

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::ValueRef;

use super::StoreError;

type Column = (String, String);

/// Every column of every table.
fn columns(connection: &Connection) -> Result<BTreeSet<Column>, StoreError> {
    let sql = "SELECT t.name, c.name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c WHERE t.type = 'table'";
    let mut statement = connection.prepare(sql)?;
    Ok(statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
}

/// A column of `schema` that is not there: its name has been changed, as nobody ever takes one away.
pub(super) fn missing_column(connection: &Connection, schema: &[&str]) -> Result<Option<String>, StoreError> {
    let new = Connection::open_in_memory()?;
    schema.iter().try_for_each(|part| new.execute_batch(part))?;
    let found = columns(connection)?;
    let missing = columns(&new)?.into_iter().find(|column| !found.contains(column));
    Ok(missing.map(|(table, column)| format!("{table}.{column}")))
}

/// Puts marks (U+FFFD) in place of bytes that are no UTF-8, and says in how many values: any bytes are taken for text, but
/// reading such a value would be an error, and come back at every start. What the change has cost comes out where the value
/// is used, when a checksum does not fit or a word is not known.
pub(super) fn mend_text(connection: &Connection) -> Result<usize, StoreError> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("mended", 1, flags, |context| {
        let is_none = |bytes: &&[u8]| str::from_utf8(bytes).is_err();
        let text = if let ValueRef::Text(bytes) = context.get_raw(0) { Some(bytes) } else { None };
        Ok(text.filter(is_none).map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
    })?;
    let mut mended = 0;
    for (table, column) in columns(connection)? {
        let [table, column] = [table, column].map(|name| format!("\"{}\"", name.replace('"', "\"\"")));
        let sql =
            format!("UPDATE OR REPLACE {table} SET {column} = mended({column}) WHERE mended({column}) IS NOT NULL");
        mended += connection.execute(&sql, [])?;
    }
    Ok(mended)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = "CREATE TABLE a(k TEXT PRIMARY KEY, v) WITHOUT ROWID; CREATE TABLE b(n INTEGER, t TEXT)";

    #[test]
    fn text_that_is_none_can_be_read_again() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        connection
            .execute_batch(
                "INSERT INTO a VALUES(CAST(x'6bff' AS TEXT), CAST(x'c328' AS TEXT)), ('sound', x'ff'), ('none', NULL);
                 INSERT INTO b VALUES(1, CAST(x'e7ab' AS TEXT)), (2, '乡')",
            )
            .unwrap();
        assert_eq!(mend_text(&connection).unwrap(), 3);
        assert_eq!(mend_text(&connection).unwrap(), 0);
        let text = |sql| connection.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
        assert_eq!(text("SELECT v FROM a WHERE k = 'k\u{fffd}'"), "\u{fffd}(");
        assert_eq!(text("SELECT group_concat(t) FROM b"), "\u{fffd},乡");
        assert_eq!(text("SELECT typeof(v) FROM a WHERE k = 'sound'"), "blob");
    }

    #[test]
    fn a_name_that_was_changed_is_missed() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE a(k TEXT, v, more); CREATE TABLE b(n INTEGER, u TEXT); CREATE TABLE c(d)")
            .unwrap();
        assert_eq!(missing_column(&connection, &[SCHEMA]).unwrap().as_deref(), Some("b.t"));
        assert_eq!(missing_column(&connection, &["CREATE TABLE c(d)"]).unwrap(), None);
    }
}
