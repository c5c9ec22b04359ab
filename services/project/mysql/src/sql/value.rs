//! A parameter of a statement.

use sqlx::mysql::MySqlArguments;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, Database, Encode, Type};

use super::Fault;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Int(i64),
    Text(String),
}

impl Value {
    /// An offset of the log. Logs count with signed numbers, so that one with the sign bit set lies behind all of them.
    pub(crate) fn offset(offset: u64) -> Self {
        Self::Int(i64::try_from(offset).unwrap_or(i64::MAX))
    }

    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn text_or_null(text: Option<impl Into<String>>) -> Self {
        text.map_or(Self::Null, Self::text)
    }

    /// About how many bytes it takes in a statement.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Null => 1,
            Self::Int(_) => 8,
            Self::Text(text) => text.len() + 4,
        }
    }
}

pub(super) fn mysql(values: Vec<Value>) -> Result<MySqlArguments, Fault> {
    arguments(values)
}

pub(super) fn sqlite(values: Vec<Value>) -> Result<SqliteArguments, Fault> {
    arguments(values)
}

fn arguments<A>(values: Vec<Value>) -> Result<A, Fault>
where
    A: Arguments,
    for<'q> String: Encode<'q, A::Database> + Type<A::Database>,
    for<'q> i64: Encode<'q, A::Database> + Type<A::Database>,
    for<'q> Option<i64>: Encode<'q, A::Database> + Type<A::Database>,
    A::Database: Database,
{
    let mut arguments = A::default();
    arguments.reserve(values.len(), values.iter().map(Value::bytes).sum());
    for value in values {
        match value {
            Value::Null => arguments.add(None::<i64>),
            Value::Int(number) => arguments.add(number),
            Value::Text(text) => arguments.add(text),
        }
        .map_err(|error| Fault::Unusable(format!("a parameter cannot be written: {error}")))?;
    }
    Ok(arguments)
}
