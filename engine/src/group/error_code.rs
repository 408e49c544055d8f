//! The errors a coordinator answers with: what each one asks of the member, in an enum, and for people, in words.

use std::fmt;

/// What an error asks of the member that got it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorAction {
    /// Back off, then say the same again.
    Retry,
    /// Another broker is the coordinator: look it up, then say the same at once.
    FindCoordinator,
    /// The membership is over: drop all tasks without committing, then join anew.
    Fenced,
    /// The member lives but its epoch is another: take the current one and try again, if the task is still its own.
    RefreshEpoch,
    /// Tell people, back off, stay as it is.
    Report,
    /// The broker does not do streams groups: use the fallback, or stop.
    FallBack,
    /// Going on is pointless until a person changes something.
    Fatal,
}

macro_rules! error_codes {
    ($($(#[$about:meta])* $name:ident = $code:literal, $kafka:literal, $action:ident, $reason:literal;)*) => {
        /// An error of Kafka's that concerns groups. Kafka: `Errors`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[$about])* #[doc = concat!("`", $kafka, "` (", stringify!($code), "): ", $reason, ".")] $name,)*
            /// Any other number.
            Other(i16),
        }

        impl ErrorCode {
            /// The codes with a meaning here, in the order of their numbers.
            pub const KNOWN: &[Self] = &[$(Self::$name),*];

            /// The error of a response; `None` for 0.
            #[must_use]
            pub fn from_code(code: i16) -> Option<Self> {
                match code {
                    0 => None,
                    $($code => Some(Self::$name),)*
                    other => Some(Self::Other(other)),
                }
            }

            /// Kafka's number.
            #[must_use]
            pub fn code(self) -> i16 {
                match self {
                    $(Self::$name => $code,)*
                    Self::Other(code) => code,
                }
            }

            /// Kafka's name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $kafka,)*
                    Self::Other(_) => "another error",
                }
            }

            /// What a member does about it.
            #[must_use]
            pub fn action(self) -> ErrorAction {
                match self {
                    $(Self::$name => ErrorAction::$action,)*
                    Self::Other(_) => ErrorAction::Fatal,
                }
            }

            /// What it means, and what would help.
            #[must_use]
            pub fn reason(self) -> &'static str {
                match self {
                    $(Self::$name => $reason,)*
                    Self::Other(_) => "the coordinator refuses for a reason that is not known here",
                }
            }
        }
    };
}

error_codes! {
    UnknownServerError = -1, "UNKNOWN_SERVER_ERROR", Retry, "the coordinator failed; brokers up to 4.3.1 do so while a source topic is missing and a member names an endpoint";
    UnknownTopicOrPartition = 3, "UNKNOWN_TOPIC_OR_PARTITION", Report, "the topic does not exist: create it";
    RequestTimedOut = 7, "REQUEST_TIMED_OUT", Retry, "the coordinator could not finish in time";
    CoordinatorLoadInProgress = 14, "COORDINATOR_LOAD_IN_PROGRESS", Retry, "the coordinator is reading the group's state";
    CoordinatorNotAvailable = 15, "COORDINATOR_NOT_AVAILABLE", FindCoordinator, "no broker coordinates the group yet";
    NotCoordinator = 16, "NOT_COORDINATOR", FindCoordinator, "another broker coordinates the group now";
    IllegalGeneration = 22, "ILLEGAL_GENERATION", RefreshEpoch, "the member's epoch has moved on";
    UnknownMemberId = 25, "UNKNOWN_MEMBER_ID", Fenced, "the group has removed the member, most often because it was silent for longer than the session time-out";
    TopicAuthorizationFailed = 29, "TOPIC_AUTHORIZATION_FAILED", Report, "the user may not describe or create a topic: grant DESCRIBE on the source topics and CREATE on the internal ones";
    GroupAuthorizationFailed = 30, "GROUP_AUTHORIZATION_FAILED", Fatal, "the user may not use the group: grant READ on the group, whose name is the application id";
    ClusterAuthorizationFailed = 31, "CLUSTER_AUTHORIZATION_FAILED", Fatal, "the user may not do this on the cluster: grant CREATE on the internal topics";
    UnsupportedSaslMechanism = 33, "UNSUPPORTED_SASL_MECHANISM", Fatal, "the broker does not offer the SASL mechanism: change sasl.mechanism";
    UnsupportedVersion = 35, "UNSUPPORTED_VERSION", FallBack, "the broker does not do streams groups: it needs streams in group.coordinator.rebalance.protocols and the feature streams.version=1 (Kafka 4.2 or later)";
    InvalidRequest = 42, "INVALID_REQUEST", Fatal, "the group refuses the request; after a change of the topology reset the application (straum reset) or give it another application.id";
    SaslAuthenticationFailed = 58, "SASL_AUTHENTICATION_FAILED", Fatal, "the broker does not accept the credentials: correct sasl.username and sasl.password, or the token";
    NonEmptyGroup = 68, "NON_EMPTY_GROUP", Report, "the group still has members: stop them first";
    GroupIdNotFound = 69, "GROUP_ID_NOT_FOUND", Fatal, "there is no such group";
    GroupMaxSizeReached = 81, "GROUP_MAX_SIZE_REACHED", Fatal, "the group is full: run fewer threads or raise group.streams.max.size";
    UnstableOffsetCommit = 88, "UNSTABLE_OFFSET_COMMIT", Retry, "a pending transaction may still change the offset";
    ThrottlingQuotaExceeded = 89, "THROTTLING_QUOTA_EXCEEDED", Retry, "the user's quota is used up for now";
    FencedMemberEpoch = 110, "FENCED_MEMBER_EPOCH", Fenced, "the group knows the member by another epoch";
    UnreleasedInstanceId = 111, "UNRELEASED_INSTANCE_ID", Fatal, "another member uses the group.instance.id: stop it or change the id";
    StaleMemberEpoch = 113, "STALE_MEMBER_EPOCH", RefreshEpoch, "the member's epoch has moved on";
    StreamsInvalidTopology = 130, "STREAMS_INVALID_TOPOLOGY", Fatal, "the broker cannot run the topology: its topics contradict each other";
    StreamsInvalidTopologyEpoch = 131, "STREAMS_INVALID_TOPOLOGY_EPOCH", Fatal, "the topology's epoch is not one the group takes";
    StreamsTopologyFenced = 132, "STREAMS_TOPOLOGY_FENCED", Fatal, "the group runs a newer topology: deploy that one here too";
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.name(), self.code())
    }
}

/// Why a member, or a call to the coordinator, cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupError {
    kind: GroupErrorKind,
    message: String,
}

/// What to do about a [`GroupError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GroupErrorKind {
    /// Call again later.
    Retriable,
    /// The membership is over, or the task is another's: abort, and wait for the member to say what is next.
    Fenced,
    /// The member's epoch has moved on: take the current one and call again.
    StaleEpoch,
    /// The user may not do this.
    Unauthorized,
    /// The broker does not do streams groups.
    Unsupported,
    /// A person has to change something; the message says what.
    Fatal,
}

impl GroupError {
    /// An error; the message is lower-case, without a full stop.
    #[must_use]
    pub fn new(kind: GroupErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// The error of an answer, with what the broker says about it.
    #[must_use]
    pub fn of_code(doing: &str, code: ErrorCode, broker_says: Option<&str>) -> Self {
        let said = broker_says.filter(|text| !text.is_empty()).map(|text| format!(": {}", text.trim_end_matches('.'))).unwrap_or_default();
        Self::new(Self::kind_of(code), format!("{doing} failed with {code}{said}; {}", code.reason()))
    }

    fn kind_of(code: ErrorCode) -> GroupErrorKind {
        match code {
            ErrorCode::TopicAuthorizationFailed
            | ErrorCode::GroupAuthorizationFailed
            | ErrorCode::ClusterAuthorizationFailed
            | ErrorCode::SaslAuthenticationFailed => GroupErrorKind::Unauthorized,
            _ => match code.action() {
                ErrorAction::Retry | ErrorAction::FindCoordinator => GroupErrorKind::Retriable,
                ErrorAction::Fenced => GroupErrorKind::Fenced,
                ErrorAction::RefreshEpoch => GroupErrorKind::StaleEpoch,
                ErrorAction::FallBack => GroupErrorKind::Unsupported,
                ErrorAction::Report | ErrorAction::Fatal => GroupErrorKind::Fatal,
            },
        }
    }

    /// What to do.
    #[must_use]
    pub fn kind(&self) -> GroupErrorKind {
        self.kind
    }
}

impl fmt::Display for GroupError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for GroupError {}
