//! What a failure of librdkafka means to the caller.

use rdkafka::types::RDKafkaErrorCode as Code;

use crate::log::{LogError, LogErrorKind};

use super::native::CallError;

/// What to do about a failed question, read or write outside the transaction calls.
pub(super) fn kind(code: Code) -> LogErrorKind {
    match code {
        Code::OperationTimedOut
        | Code::TimedOutQueue
        | Code::MessageTimedOut
        | Code::BrokerTransportFailure
        | Code::AllBrokersDown
        | Code::BrokerDestroy
        | Code::DestroyBroker
        | Code::Resolve
        | Code::WaitingForCoordinator
        | Code::InProgress
        | Code::PreviousInProgress
        | Code::WaitCache
        | Code::Retry
        | Code::QueueFull
        | Code::LeaderNotAvailable
        | Code::NotLeaderForPartition
        | Code::RequestTimedOut
        | Code::BrokerNotAvailable
        | Code::ReplicaNotAvailable
        | Code::StaleControllerEpoch
        | Code::NetworkException
        | Code::CoordinatorLoadInProgress
        | Code::CoordinatorNotAvailable
        | Code::NotCoordinator
        | Code::NotEnoughReplicas
        | Code::NotEnoughReplicasAfterAppend
        | Code::RebalanceInProgress
        | Code::NotController
        | Code::ConcurrentTransactions
        | Code::ReassignmentInProgress
        | Code::FencedLeaderEpoch
        | Code::UnknownLeaderEpoch
        | Code::OffsetNotAvailable
        | Code::PreferredLeaderNotAvailable
        | Code::UnstableOffsetCommit
        | Code::ThrottlingQuotaExceeded => LogErrorKind::Retriable,
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed
        | Code::SaslAuthenticationFailed
        | Code::Authentication
        | Code::SSL => LogErrorKind::Unauthorized,
        Code::UnknownTopic | Code::UnknownPartition | Code::UnknownTopicOrPartition | Code::UnknownTopicId => LogErrorKind::UnknownTopic,
        Code::OffsetOutOfRange | Code::AutoOffsetReset => LogErrorKind::OffsetOutOfRange,
        Code::MessageSizeTooLarge | Code::MessageBatchTooLarge => LogErrorKind::RecordTooLarge,
        Code::Fenced
        | Code::ProducerFenced
        | Code::InvalidProducerEpoch
        | Code::IllegalGeneration
        | Code::UnknownMemberId
        | Code::FencedInstanceId
        | Code::FencedMemberEpoch
        | Code::StaleMemberEpoch => LogErrorKind::Fenced,
        Code::Fatal => LogErrorKind::Fatal,
        Code::BadMessage | Code::InvalidMessage | Code::BadCompression => LogErrorKind::Corrupt,
        Code::InvalidArgument
        | Code::State
        | Code::NotConfigured
        | Code::UnsupportedFeature
        | Code::OffsetMetadataTooLarge
        | Code::InvalidTopic
        | Code::InvalidTimestamp
        | Code::InvalidRecord
        | Code::InvalidPartitions
        | Code::InvalidReplicationFactor
        | Code::InvalidReplicaAssignment
        | Code::InvalidConfig
        | Code::InvalidRequest
        | Code::InvalidGroupId
        | Code::InvalidTransactionTimeout
        | Code::PolicyViolation
        | Code::TopicAlreadyExists
        | Code::UnsupportedVersion => LogErrorKind::Invalid,
        _ => LogErrorKind::Io,
    }
}

/// The error of a failed question or read.
pub(super) fn of_call(doing: &str, error: CallError) -> LogError {
    let kind = if error.fatal { LogErrorKind::Fatal } else { kind(error.code) };
    LogError::new(kind, format!("{doing} failed")).with_source(Librdkafka(error))
}

/// The error of a transaction call. librdkafka says whether the producer, or only the transaction, is lost.
pub(super) fn of_transaction(doing: &str, error: CallError) -> LogError {
    LogError::new(transaction_kind(&error), format!("{doing} failed")).with_source(Librdkafka(error))
}

fn transaction_kind(error: &CallError) -> LogErrorKind {
    let by_code = kind(error.code);
    match by_code {
        LogErrorKind::Unauthorized => LogErrorKind::Unauthorized,
        // A stale epoch of a member only ends the transaction; a stale epoch of the producer ends the producer.
        LogErrorKind::Fenced if error.fatal => LogErrorKind::Fenced,
        _ if error.fatal => LogErrorKind::Fatal,
        _ if error.must_abort => LogErrorKind::Abortable,
        _ if error.retriable => LogErrorKind::Retriable,
        _ => by_code,
    }
}

/// The error of a producer that librdkafka has given up.
pub(super) fn of_fatal(code: Code, message: String) -> LogError {
    let error = CallError { code, message, fatal: true, retriable: false, must_abort: false };
    of_transaction("the producer cannot go on: it", error)
}

/// librdkafka's own words, its code and text, and what can be done.
#[derive(Debug, thiserror::Error)]
#[error("{} ({:?}){}", .0.message, .0.code, remedy(.0.code))]
struct Librdkafka(CallError);

/// What an operator can do, with what leads up to it.
pub(super) fn remedy(code: Code) -> &'static str {
    match code {
        Code::BrokerTransportFailure | Code::AllBrokersDown | Code::Resolve | Code::OperationTimedOut | Code::MessageTimedOut => {
            "; is a broker of bootstrap.servers up, and can it be reached from here?"
        }
        Code::SaslAuthenticationFailed | Code::Authentication => "; check security.protocol, sasl.* and ssl.*",
        Code::SSL => "; check security.protocol, and the files of ssl.ca.location, ssl.certificate.location and ssl.key.location",
        Code::TopicAuthorizationFailed => "; grant READ, WRITE and DESCRIBE on the topic, and DELETE on the application's own",
        Code::GroupAuthorizationFailed => "; grant READ on the group, which is the application id",
        Code::TransactionalIdAuthorizationFailed => "; grant WRITE and DESCRIBE on transactional ids that begin with the application id",
        Code::ClusterAuthorizationFailed => "; grant CREATE on the cluster, or make the topics beforehand",
        Code::MessageSizeTooLarge | Code::MessageBatchTooLarge => {
            "; raise the topic's max.message.bytes, or lower max.request.size so that the production handler decides"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: Code, fatal: bool, must_abort: bool, retriable: bool) -> CallError {
        CallError { code, message: "as told".to_owned(), fatal, retriable, must_abort }
    }

    #[test]
    fn a_transactions_failure_says_what_is_lost() {
        use LogErrorKind::{Abortable, Fatal, Fenced, Invalid, Retriable, Unauthorized};
        for (code, fatal, must_abort, retriable, expected) in [
            (Code::IllegalGeneration, false, true, false, Abortable),
            (Code::UnknownMemberId, false, true, false, Abortable),
            (Code::FencedInstanceId, false, true, false, Abortable),
            (Code::GroupAuthorizationFailed, false, true, false, Unauthorized),
            (Code::Fenced, true, false, false, Fenced),
            (Code::InvalidProducerEpoch, true, false, false, Fenced),
            (Code::InvalidProducerIdMapping, true, false, false, Fatal),
            (Code::InvalidTransactionalState, true, false, false, Fatal),
            (Code::TransactionalIdAuthorizationFailed, true, false, false, Unauthorized),
            (Code::MessageTimedOut, false, true, false, Abortable),
            (Code::OperationTimedOut, false, false, true, Retriable),
            (Code::State, false, false, false, Invalid),
        ] {
            assert_eq!(transaction_kind(&error(code, fatal, must_abort, retriable)), expected, "{code:?}");
        }
    }

    #[test]
    fn an_error_says_what_was_done_and_what_librdkafka_said() {
        let printed = of_call("asking for the end of orders-0", error(Code::LeaderNotAvailable, false, false, false)).to_string();
        assert_eq!(printed, "asking for the end of orders-0 failed: as told (LeaderNotAvailable)");
    }
}
