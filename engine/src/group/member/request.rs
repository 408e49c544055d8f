//! What a heartbeat says.

use super::{Action, InFlight, Member, State};
use crate::group::Tasks;
use crate::group::tasks::to_wire;
use crate::group::wire::HeartbeatRequest;

const JOIN: i32 = 0;
const LEAVE: i32 = -1;

/// What the member knows about its source topics. While one is missing, a broker up to 4.3.1 fails on a member that names
/// an endpoint, so the endpoint waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SourceTopics {
    Unknown,
    Asked,
    Present,
    Missing,
}

impl Member {
    /// Sends the heartbeat that is due; a join may have to ask for the source topics first.
    pub(super) fn send_heartbeat(&mut self) {
        let epoch = match self.state {
            State::Joining => JOIN,
            State::Joined { epoch } => epoch,
            State::Fenced | State::Leaving(_) | State::Ended => return,
        };
        let joins = epoch == JOIN;
        if joins && self.settings.user_endpoint.is_some() && self.source_topics == SourceTopics::Unknown {
            self.source_topics = SourceTopics::Asked;
            self.schedule.wait();
            self.actions.push(Action::FindSourceTopics(self.settings.source_topics()));
            return;
        }
        let tells_endpoint = self.endpoint_waits();
        let told = (joins || self.acknowledged.is_none() || self.owns_news).then(|| self.claimed());
        self.owns_news &= told.is_none();
        let mut request = self.bare(epoch);
        request.shutdown_application = self.shutdown_asked;
        if let Some(Tasks { active, standby, warmup }) = &told {
            request.active_tasks = Some(to_wire(active));
            request.standby_tasks = Some(to_wire(standby));
            request.warmup_tasks = Some(to_wire(warmup));
        }
        if tells_endpoint {
            request.user_endpoint.clone_from(&self.settings.user_endpoint);
        }
        if joins {
            request.rack_id.clone_from(&self.settings.rack_id);
            request.rebalance_timeout_ms = i32::try_from(self.settings.max_poll_interval.as_millis()).unwrap_or(i32::MAX);
            request.topology = Some(self.settings.topology.clone());
            request.process_id = Some(self.settings.process_id.clone());
            request.client_tags = Some(self.settings.client_tags.clone());
        }
        let number = self.schedule.issue();
        self.schedule.in_flight = Some(InFlight { number, tasks: told, endpoint: tells_endpoint, shutdown: self.shutdown_asked });
        self.actions.push(Action::Send(number, Box::new(request)));
    }

    /// Sends the heartbeat that ends the membership. It is sent once: whether it arrives or not, the session ends.
    pub(super) fn send_leave(&mut self) -> super::RequestNumber {
        let number = self.schedule.issue();
        self.schedule.abandon();
        let request = self.bare(LEAVE);
        self.actions.push(Action::Send(number, Box::new(request)));
        number
    }

    fn bare(&self, epoch: i32) -> HeartbeatRequest {
        HeartbeatRequest {
            group_id: self.settings.group_id.clone(),
            member_id: self.settings.member_id.clone(),
            member_epoch: epoch,
            endpoint_information_epoch: self.endpoint_epoch,
            instance_id: self.settings.instance_id.clone(),
            rebalance_timeout_ms: -1,
            ..HeartbeatRequest::default()
        }
    }
}
