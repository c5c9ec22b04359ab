//! What an error of librdkafka means to a caller.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::error::Error;

/// An error outside of transactions.
pub(super) fn classify(context: &str, error: &KafkaError) -> Error {
    let text = format!("{context}: {error}");
    match error.rdkafka_error_code() {
        Some(code) => by_code(code, text),
        None => match error {
            KafkaError::AdminOp(code) => by_code(*code, text),
            KafkaError::ClientConfig(..) | KafkaError::ClientCreation(_) | KafkaError::Nul(_) => Error::Fatal(text),
            _ => Error::Away(text),
        },
    }
}

/// An error of a transaction: librdkafka says what to do, the code decides where it does not.
pub(super) fn of_transaction(context: &str, error: &KafkaError) -> Error {
    let text = format!("{context}: {error}");
    let KafkaError::Transaction(transaction) = error else { return in_transaction(context, error) };
    if is_fenced(transaction.code()) || transaction.is_fatal() {
        return fenced_or_refused(transaction.code(), text);
    }
    if transaction.txn_requires_abort() {
        return Error::Aborted(text);
    }
    if transaction.is_retriable() {
        return Error::Away(text);
    }
    // An unknown state or outcome: only a new writer and a restore are sure to be right.
    fenced_or_refused(transaction.code(), text)
}

/// A record that could not be delivered within a transaction: the transaction is lost unless its writer is.
pub(super) fn in_transaction(context: &str, error: &KafkaError) -> Error {
    let text = format!("{context}: {error}");
    match error.rdkafka_error_code() {
        Some(code) if is_fenced(code) => Error::Fenced(text),
        Some(code) if is_refused(code) => Error::Fatal(text),
        // Redoing the same would fail the same; the transaction must be aborted all the same.
        Some(code) if is_too_large(code) || matches!(code, Code::InvalidRecord | Code::InvalidTimestamp) => Error::Invalid(text),
        _ => Error::Aborted(text),
    }
}

/// The broker knows no such topic any more.
pub(super) fn is_unknown_topic(error: &KafkaError) -> bool {
    matches!(error.rdkafka_error_code(), Some(Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition))
}

/// A consumer error that passes by itself and concerns no caller: librdkafka reconnects and rejoins.
pub(super) fn passes(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(Code::BrokerTransportFailure | Code::Resolve | Code::OperationTimedOut | Code::PollExceeded | Code::WaitingForCoordinator)
    )
}

/// The position is outside the log (`auto.offset.reset=error`).
pub(super) fn is_out_of_range(error: &KafkaError) -> bool {
    matches!(error.rdkafka_error_code(), Some(Code::AutoOffsetReset | Code::OffsetOutOfRange))
}

fn by_code(code: Code, text: String) -> Error {
    match code {
        _ if is_refused(code) => Error::Fatal(text),
        _ if is_fenced(code) => Error::Fenced(text),
        // `UnknownPartition` is none of these: that a partition exists is found out before it is used (`Questions::expect`), and a client whose
        // broker has just come back may not know it.
        // An invalid record is one without a key on a compacted topic.
        Code::InvalidRecord | Code::InvalidTopic | Code::InvalidConfig | Code::InvalidPartitions => Error::Invalid(text),
        Code::InvalidReplicationFactor | Code::InvalidRequest | Code::PolicyViolation | Code::InvalidTimestamp => Error::Invalid(text),
        Code::OffsetMetadataTooLarge => Error::Invalid(text),
        _ if is_too_large(code) => Error::Invalid(text),
        _ => Error::Away(text),
    }
}

fn fenced_or_refused(code: Code, text: String) -> Error {
    if is_refused(code) { Error::Fatal(text) } else { Error::Fenced(text) }
}

fn is_fenced(code: Code) -> bool {
    matches!(
        code,
        Code::Fenced
            | Code::ProducerFenced
            | Code::InvalidProducerEpoch
            | Code::UnknownProducerId
            | Code::InvalidProducerIdMapping
            | Code::TransactionCoordinatorFenced
    )
}

/// Larger than the topic's limit, which was larger when it was asked for.
fn is_too_large(code: Code) -> bool {
    matches!(code, Code::MessageSizeTooLarge | Code::InvalidMessageSize | Code::MessageBatchTooLarge)
}

fn is_refused(code: Code) -> bool {
    matches!(
        code,
        Code::Authentication
            | Code::SaslAuthenticationFailed
            | Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
            | Code::UnsupportedSASLMechanism
            | Code::UnsupportedVersion
            | Code::SSL
            | Code::InvalidTransactionTimeout
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Class;

    #[test]
    fn codes_say_what_to_do() {
        let class = |code| classify("test", &KafkaError::MessageProduction(code)).class();
        assert_eq!(class(Code::BrokerTransportFailure), Class::Retry);
        assert_eq!(class(Code::MessageTimedOut), Class::Retry);
        assert_eq!(class(Code::NotEnoughReplicas), Class::Retry);
        assert_eq!(class(Code::UnknownPartition), Class::Retry);
        assert_eq!(class(Code::TopicAuthorizationFailed), Class::Fatal);
        assert_eq!(class(Code::InvalidRecord), Class::Invalid);
        assert_eq!(class(Code::InvalidTimestamp), Class::Invalid);
        assert_eq!(class(Code::MessageSizeTooLarge), Class::Invalid);
        let class = |code| in_transaction("test", &KafkaError::MessageProduction(code)).class();
        assert_eq!(class(Code::MessageTimedOut), Class::Abort);
        assert_eq!(class(Code::PurgeQueue), Class::Abort);
        assert_eq!(class(Code::InvalidTimestamp), Class::Invalid);
        assert_eq!(class(Code::InvalidProducerEpoch), Class::Fenced);
        assert_eq!(class(Code::TransactionalIdAuthorizationFailed), Class::Fatal);
        assert!(is_out_of_range(&KafkaError::MessageConsumption(Code::AutoOffsetReset)));
    }
}
