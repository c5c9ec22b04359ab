//! Admin requests: what topics are and what they shall be.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ConfigSource, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::config::Config;
use super::context::Quiet;
use super::fault;
use super::source::Closing;
use crate::error::{Error, Result};
use crate::topic::{Topic, TopicSpec};

pub(super) struct Admin {
    client: Closing<AdminClient<Quiet>>,
    options: AdminOptions,
}

/// A topic's settings: the value, and whether it was set on the topic itself.
pub(super) type Settings = BTreeMap<String, (String, bool)>;

impl Admin {
    pub(super) fn open(config: &Config) -> Result<Self> {
        let client = AdminClient::from_config_and_context(&config.admin(), Quiet);
        let client = client.map_err(|error| fault::classify("cannot make an admin client", &error))?;
        let timeout: Duration = config.request_timeout;
        let options = AdminOptions::new().request_timeout(Some(timeout)).operation_timeout(Some(timeout));
        Ok(Self { client: Closing::new(client), options })
    }

    pub(super) async fn settings(&self, topic: &Topic) -> Result<Settings> {
        let resource = [ResourceSpecifier::Topic(topic.as_str())];
        let described = self.client.peek().describe_configs(&resource, &self.options).await;
        let described = described.map_err(|error| fault::classify("the settings of topics cannot be read", &error))?;
        let entries = match described.into_iter().next() {
            Some(Ok(resource)) => resource.entries,
            Some(Err(RDKafkaErrorCode::UnknownTopicOrPartition)) => return Err(Error::NoSuchTopic(topic.to_string())),
            Some(Err(code)) => return Err(refused(&format!("the settings of `{topic}` cannot be read"), code)),
            None => return Err(Error::Away(format!("the settings of `{topic}` were not told"))),
        };
        let own = |entry: &rdkafka::admin::ConfigEntry| entry.source == ConfigSource::DynamicTopic;
        Ok(entries
            .into_iter()
            .filter_map(|entry| {
                let own = own(&entry);
                entry.value.map(|value| (entry.name, (value, own)))
            })
            .collect())
    }

    pub(super) async fn max_message_bytes(&self, topic: &Topic) -> Result<usize> {
        let settings = self.settings(topic).await?;
        let value = settings.get("max.message.bytes").and_then(|(value, _)| value.parse().ok());
        value.ok_or_else(|| Error::Away(format!("`max.message.bytes` of `{topic}` was not told")))
    }

    pub(super) async fn create(&self, spec: &TopicSpec, settings: &[(&'static str, String)]) -> Result<()> {
        let mut topic = NewTopic::new(&spec.name, spec.partitions as i32, TopicReplication::Fixed(i32::from(spec.replication)));
        for (name, value) in settings {
            topic = topic.set(name, value);
        }
        let topics = [topic];
        let created = self.client.peek().create_topics(&topics, &self.options).await;
        let created = created.map_err(|error| fault::classify(&format!("`{}` was not created", spec.name), &error))?;
        match created.into_iter().next() {
            Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) | Some(Ok(_)) | None => Ok(()),
            Some(Err((_, code))) => Err(refused(&format!("`{}` was not created", spec.name), code)),
        }
    }

    /// Replaces the topic's own settings: all that shall stay must be given.
    pub(super) async fn alter(&self, topic: &Topic, settings: &BTreeMap<String, String>) -> Result<()> {
        let mut alter = AlterConfig::new(ResourceSpecifier::Topic(topic.as_str()));
        for (name, value) in settings {
            alter = alter.set(name, value);
        }
        let alters = [alter];
        let altered = self.client.peek().alter_configs(&alters, &self.options).await;
        let altered = altered.map_err(|error| fault::classify(&format!("`{topic}` was not altered"), &error))?;
        match altered.into_iter().next() {
            Some(Err((_, code))) => Err(refused(&format!("`{topic}` was not altered"), code)),
            _ => Ok(()),
        }
    }
}

fn refused(context: &str, code: RDKafkaErrorCode) -> Error {
    fault::classify(context, &KafkaError::Global(code))
}
