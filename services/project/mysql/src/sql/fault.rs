//! What an error of a store means for whoever asked.

use loki_runner::StoreError;
use sqlx::mysql::MySqlDatabaseError;

use crate::port::{NotReady, ReadError};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// The store is away, overloaded, or another transaction was in the way; what was being written may or may not have been.
    #[error("{0}")]
    Away(String),
    /// As many questions as there are connections for are being answered.
    #[error("too many questions are asked at once")]
    Crowded,
    /// A table, or the whole schema, is missing: the store was emptied.
    #[error("{0}")]
    Emptied(String),
    /// Nothing will change until a person acts.
    #[error("{0}")]
    Unusable(String),
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        let Some(database) = error.as_database_error() else {
            return match error {
                sqlx::Error::Configuration(_) | sqlx::Error::InvalidArgument(_) | sqlx::Error::Encode(_) => {
                    Self::Unusable(error.to_string())
                }
                _ => Self::Away(error.to_string()),
            };
        };
        let text = database.to_string();
        match database.try_downcast_ref::<MySqlDatabaseError>() {
            Some(mysql) => mysql_number(mysql.number(), text),
            None => sqlite_code(database.code().and_then(|code| code.parse().ok()).unwrap_or_default(), database.message(), &text),
        }
    }
}

/// Numbers are those of MySQL and MariaDB; an unknown one needs a person.
fn mysql_number(number: u16, text: String) -> Fault {
    match number {
        // no such table; no such database; no database selected (it was dropped under this connection)
        1146 | 1049 | 1046 => Fault::Emptied(text),
        // deadlock, lock wait timeout, definition changed since the snapshot, statement to be prepared again
        1213 | 1205 | 1412 | 1615 | 1243
        // too many connections (of all, of this user), host blocked after failures, out of resources, threads or memory
        | 1040 | 1203 | 1226 | 1129 | 1041 | 1037 | 1038 | 1135
        // shutting down, connection killed, statement interrupted or over its time, gone away, lost, network packets
        | 1053 | 1927 | 1317 | 3024 | 1969 | 2006 | 2013 | 1152 | 1158 | 1159 | 1160 | 1161 | 1184 | 4031
        // disk, table or log file full, an I/O error
        | 1021 | 1114 | 1030 | 1026 | 3 | 1197
        // read-only while it fails over, not part of a cluster yet
        | 1290 | 1836 | 1792 | 1047 => Fault::Away(text),
        _ => Fault::Unusable(text),
    }
}

fn sqlite_code(code: i32, message: &str, text: &str) -> Fault {
    match code & 0xff {
        // The generic error; only its text tells.
        1 if message.contains("no such table") => Fault::Emptied(text.to_owned()),
        // busy, locked, no memory, interrupted, I/O error, full, cannot open, protocol, schema changed
        5 | 6 | 7 | 9 | 10 | 13 | 14 | 15 | 17 => Fault::Away(text.to_owned()),
        11 | 26 => Fault::Unusable(format!("the file is damaged, remove it to have it made again: {text}")),
        _ => Fault::Unusable(text.to_owned()),
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            // The loop finds out by reading the position that it is empty now.
            Fault::Away(text) | Fault::Emptied(text) => Self::Away(text),
            // only readers share their connections
            Fault::Crowded => Self::Away(Fault::Crowded.to_string()),
            Fault::Unusable(text) => Self::Unusable(text),
        }
    }
}

impl From<Fault> for ReadError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Away(text) => Self::Away(text),
            Fault::Crowded => Self::NotReady(NotReady::Crowded),
            Fault::Emptied(_) => Self::NotReady(NotReady::Empty),
            Fault::Unusable(text) => Self::Unusable(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_sorted_by_what_to_do() {
        for away in [1213, 1205, 1040, 2006, 2013, 1053, 1290, 1412] {
            assert!(matches!(mysql_number(away, String::new()), Fault::Away(_)), "{away}");
        }
        for emptied in [1146, 1049, 1046] {
            assert!(matches!(mysql_number(emptied, String::new()), Fault::Emptied(_)), "{emptied}");
        }
        // access denied in its forms, unknown column, data too long, syntax
        for unusable in [1044, 1045, 1142, 1698, 1054, 1406, 1064] {
            assert!(matches!(mysql_number(unusable, String::new()), Fault::Unusable(_)), "{unusable}");
        }
        assert!(matches!(sqlite_code(1, "no such table: node", ""), Fault::Emptied(_)));
        assert!(matches!(sqlite_code(1, "near \"x\": syntax error", ""), Fault::Unusable(_)));
        // busy with a snapshot, and full
        assert!(matches!(sqlite_code(517, "", ""), Fault::Away(_)));
        assert!(matches!(sqlite_code(13, "", ""), Fault::Away(_)));
        assert!(matches!(sqlite_code(26, "", ""), Fault::Unusable(_)));
    }
}
