//! Names of the fields by which log lines of all processes are joined: a line is found by them whoever wrote it.

/// The command's id, as its sender or the API gave it.
pub const COMMAND_ID: &str = "command.id";
/// Where it lies in the commands' topic.
pub const COMMAND_POSITION: &str = "command.position";
/// Its type.
pub const COMMAND_TYPE: &str = "command.type";
/// The positions of a batch's first and last command: a projector's lines are per batch.
pub const COMMAND_FIRST: &str = "command.first";
pub const COMMAND_LAST: &str = "command.last";
/// The id of the W3C trace that the command carries.
pub const TRACE_ID: &str = "trace.id";
