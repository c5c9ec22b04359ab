//! Declared topics in the file.

use sqlx::{Connection, SqliteConnection};

use crate::topic::TopicSpec;

/// Creates or alters these topics, all or none.
pub(super) async fn store(connection: &mut SqliteConnection, specs: &[TopicSpec]) -> sqlx::Result<()> {
    let mut sql = connection.begin_with("BEGIN IMMEDIATE").await?;
    for spec in specs {
        let text = serde_json::to_string(spec).map_err(|error| sqlx::Error::Encode(error.into()))?;
        let topic: i64 = sqlx::query_scalar(
            "INSERT INTO topic (name, spec) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET spec = excluded.spec RETURNING id",
        )
        .bind(&spec.name)
        .bind(text)
        .fetch_one(&mut *sql)
        .await?;
        for number in 0..spec.partitions {
            sqlx::query("INSERT INTO partition (topic, number) VALUES (?, ?) ON CONFLICT (topic, number) DO NOTHING")
                .bind(topic)
                .bind(number)
                .execute(&mut *sql)
                .await?;
        }
    }
    sql.commit().await
}
