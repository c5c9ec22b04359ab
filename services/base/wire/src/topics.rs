//! The topics' names, all with the prefix of their cell.

/// Full names. Several cells share a broker by giving each a prefix of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    pub prefix: String,
    pub commands: String,
    pub facts: String,
    pub outcomes: String,
    pub samples: String,
    pub task_logs: String,
    pub dead: String,
}

impl Topics {
    pub fn new(prefix: &str) -> Self {
        let named = |name: &str| format!("{prefix}loki.{name}");
        Self {
            prefix: prefix.to_owned(),
            commands: named("commands"),
            facts: named("facts"),
            outcomes: named("outcomes"),
            samples: named("samples"),
            task_logs: named("task-logs"),
            dead: named("dead"),
        }
    }

    /// The name of a consumer group or of a transactional id of this cell.
    pub fn group(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}
