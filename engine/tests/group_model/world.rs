//! Processes with members and stream threads, a network that loses, delays and reorders, and the broker at its other end.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use straum::group::Tasks;
use straum::group::member::{Action, AssignmentNumber, Event, Member, MemberSettings, Membership, Now, RequestNumber, ThreadEvent, ThreadMessage};
use straum::group::wire::{HeartbeatRequest, HeartbeatResponse, HeartbeatSubtopology, HeartbeatTopology};
use straum::topology::TaskId;

use super::broker::Broker;

/// How many members each process has.
pub(crate) const PROCESSES: [usize; 3] = [2, 1, 1];
pub(crate) const TASKS: u32 = 5;
const MAX_POLL: u64 = 4000;
const NOT_COORDINATOR: i16 = 16;
const LOADING: i16 = 14;

/// A mistake in the thread or in its joining to the member, which must show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// The abort is confirmed before the thread has read that it is fenced.
    RejoinsBeforeAbort,
    /// An assignment is acknowledged before the thread has read it.
    AcknowledgesBeforeRevoking,
    /// A fenced thread confirms, and goes on with its tasks.
    IgnoresFence,
    /// A transaction that began in one membership is committed in the next.
    CrossesRejoin,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// Time passes.
    Pass(u16),
    /// The next request of a process arrives, or the next answer.
    Deliver(usize),
    Answer(usize),
    /// The connection breaks: answers are lost; requests are lost, or arrive whenever.
    Break(usize),
    /// The first request waited for is given up; it stays on its way.
    GiveUp(usize),
    /// A request of a connection that is gone arrives; its answer goes nowhere.
    Stale(usize),
    MoveCoordinator,
    FindCoordinator(usize),
    /// Everything on the way arrives, there and back.
    Exchange(usize),
    /// A thread does not look at its messages for so long.
    Busy(usize, usize, u16),
    /// A thread reads what its member told it, opens a task, processes, commits; or the first three, as long as it can.
    Work(usize, usize),
    Read(usize, usize),
    Open(usize, usize),
    Process(usize, usize),
    Commit(usize, usize),
    /// SIGSTOP and SIGCONT.
    Pause(usize),
    Wake(usize),
    /// Kill -9; a start with the same ids.
    Kill(usize),
    Start(usize),
    Close(usize, bool),
}

/// The work of a transaction: where each task was, and where it is.
#[derive(Debug)]
struct Transaction {
    membership: Membership,
    work: BTreeMap<TaskId, (u64, u64)>,
}

#[derive(Debug)]
struct Thread {
    inbox: VecDeque<ThreadMessage>,
    to_open: BTreeSet<TaskId>,
    /// Open tasks with the offset up to which they are processed and committed.
    open: BTreeMap<TaskId, u64>,
    transaction: Option<Transaction>,
    busy_until: u64,
}

enum Request {
    Heartbeat(Box<HeartbeatRequest>),
    Describe,
}

struct Worker {
    member: Member,
    thread: Thread,
    waiting_for: Option<RequestNumber>,
}

struct Process {
    alive: bool,
    paused: bool,
    workers: Vec<Worker>,
    coordinator: usize,
    must_find: bool,
    requests: VecDeque<(usize, RequestNumber, Request)>,
    answers: VecDeque<(usize, Event)>,
}

pub(crate) struct World {
    pub(crate) broker: Broker,
    fault: Fault,
    now: u64,
    coordinator: usize,
    loading: u8,
    processes: Vec<Process>,
    stale: Vec<HeartbeatRequest>,
    pub(crate) commits: usize,
    /// What must not happen, if it has.
    pub(crate) violation: Option<String>,
}

fn id(process: usize, worker: usize) -> String {
    format!("m{process}{worker}")
}

fn settings(process: usize, worker: usize) -> MemberSettings {
    let subtopology =
        HeartbeatSubtopology { subtopology_id: "0".to_owned(), source_topics: vec!["in".to_owned()], ..HeartbeatSubtopology::default() };
    let topology = HeartbeatTopology { epoch: 0, subtopologies: vec![subtopology] };
    let settings = MemberSettings::new("app", format!("p{process}"), id(process, worker), topology);
    MemberSettings { max_poll_interval: Duration::from_millis(MAX_POLL), verify_interval: Duration::from_secs(10), ..settings }
}

fn moment(now: u64) -> Now {
    Now { at: Duration::from_millis(now), jitter: 0.5 }
}

impl Process {
    fn stopped() -> Self {
        let (requests, answers) = (VecDeque::new(), VecDeque::new());
        Self { alive: false, paused: false, workers: Vec::new(), coordinator: 0, must_find: false, requests, answers }
    }

    fn runs(&self) -> bool {
        self.alive && !self.paused
    }
}

impl World {
    pub(crate) fn new(fault: Fault) -> Self {
        let processes = PROCESSES.iter().map(|_| Process::stopped()).collect();
        let mut world =
            Self { broker: Broker::new(TASKS), fault, now: 0, coordinator: 0, loading: 0, processes, stale: Vec::new(), commits: 0, violation: None };
        (0..PROCESSES.len()).for_each(|process| world.start(process));
        world
    }

    pub(crate) fn step(&mut self, step: Step) {
        match step {
            Step::Pass(time) => self.pass(time.into()),
            Step::Deliver(process) => self.deliver(process),
            Step::Answer(process) if self.processes[process].runs() => {
                if let Some((worker, event)) = self.processes[process].answers.pop_front() {
                    self.hear(process, worker, event);
                }
            }
            Step::Break(process) => self.break_connection(process),
            Step::GiveUp(process) if self.processes[process].runs() => {
                let waiting = self.processes[process].workers.iter().enumerate().find_map(|(index, worker)| Some((index, worker.waiting_for?)));
                if let Some((worker, number)) = waiting {
                    self.hear(process, worker, Event::Lost(number, "time-out".to_owned()));
                }
            }
            Step::Stale(which) if !self.stale.is_empty() => {
                let request = self.stale.remove(which % self.stale.len());
                self.broker.heartbeat(&request, self.now);
            }
            Step::Exchange(process) => (0..4).for_each(|_| {
                self.step(Step::Deliver(process));
                self.step(Step::Answer(process));
            }),
            Step::Busy(process, worker, time) => {
                let until = self.now + u64::from(time);
                self.with_worker(process, worker, |world, process, worker| world.processes[process].workers[worker].thread.busy_until = until);
            }
            Step::Work(process, worker) => {
                (0..4).for_each(|_| self.step(Step::Read(process, worker)));
                (0..TASKS).for_each(|_| self.step(Step::Open(process, worker)));
                self.step(Step::Process(process, worker));
            }
            Step::MoveCoordinator => {
                self.coordinator += 1;
                self.loading = 2;
                self.broker.moved(self.now);
            }
            Step::FindCoordinator(process) if self.processes[process].runs() && self.processes[process].must_find => self.find(process),
            Step::Read(process, worker) => self.with_worker(process, worker, Self::read),
            Step::Open(process, worker) => self.with_worker(process, worker, Self::open),
            Step::Process(process, worker) => self.with_worker(process, worker, Self::process),
            Step::Commit(process, worker) => self.with_worker(process, worker, Self::commit),
            Step::Pause(process) => self.processes[process].paused = true,
            Step::Wake(process) => self.processes[process].paused = false,
            Step::Kill(process) => {
                self.break_connection(process);
                self.processes[process] = Process { coordinator: self.processes[process].coordinator, ..Process::stopped() };
            }
            Step::Start(process) if !self.processes[process].alive => self.start(process),
            Step::Close(process, leave) if self.processes[process].runs() => {
                for worker in 0..self.processes[process].workers.len() {
                    // A thread that closes has committed, or given up, and closed everything.
                    self.commit(process, worker);
                    self.processes[process].workers[worker].thread = Thread::idle();
                    self.hear(process, worker, Event::Thread(ThreadEvent::Close { leave }));
                }
            }
            _ => {}
        }
        self.check();
    }

    fn with_worker(&mut self, process: usize, worker: usize, act: impl FnOnce(&mut Self, usize, usize)) {
        if self.processes[process].runs() && worker < self.processes[process].workers.len() {
            act(self, process, worker);
        }
    }

    fn start(&mut self, process: usize) {
        let workers = (0..PROCESSES[process]).map(|worker| {
            let member = Member::new(settings(process, worker), moment(self.now));
            Worker { member, thread: Thread::idle(), waiting_for: None }
        });
        let workers = workers.collect();
        self.processes[process] = Process { alive: true, coordinator: self.processes[process].coordinator, workers, ..Process::stopped() };
        (0..PROCESSES[process]).for_each(|worker| self.hear(process, worker, Event::Tick));
    }

    fn pass(&mut self, time: u64) {
        self.now += time;
        for process in 0..self.processes.len() {
            for worker in 0..self.processes[process].workers.len() {
                let due = self.processes[process].workers[worker].member.deadline().is_some_and(|due| due <= Duration::from_millis(self.now));
                if due && self.processes[process].runs() {
                    self.hear(process, worker, Event::Tick);
                }
            }
        }
    }

    fn deliver(&mut self, process: usize) {
        let here = &mut self.processes[process];
        let Some((worker, number, request)) = here.requests.pop_front() else { return };
        let refused = if here.coordinator != self.coordinator {
            Some(NOT_COORDINATOR)
        } else if self.loading > 0 {
            self.loading -= 1;
            Some(LOADING)
        } else {
            None
        };
        let event = match (request, refused) {
            (Request::Heartbeat(_), Some(error_code)) => {
                Event::Answered(number, Box::new(HeartbeatResponse { error_code, ..HeartbeatResponse::default() }))
            }
            (Request::Heartbeat(request), None) => Event::Answered(number, Box::new(self.broker.heartbeat(&request, self.now))),
            (Request::Describe, refused) => match self.broker.describe(&id(process, worker)).filter(|_| refused.is_none()) {
                Some((epoch, active)) => Event::Described(number, epoch, Tasks { active, ..Tasks::default() }),
                None => Event::Lost(number, "not described".to_owned()),
            },
        };
        here.answers.push_back((worker, event));
    }

    fn find(&mut self, process: usize) {
        self.processes[process].must_find = false;
        self.processes[process].coordinator = self.coordinator;
        (0..self.processes[process].workers.len()).for_each(|worker| self.hear(process, worker, Event::CoordinatorFound));
    }

    fn break_connection(&mut self, process: usize) {
        let requests = std::mem::take(&mut self.processes[process].requests);
        self.stale
            .extend(requests.into_iter().filter_map(|(_, _, request)| if let Request::Heartbeat(request) = request { Some(*request) } else { None }));
        self.processes[process].answers.clear();
        for worker in 0..self.processes[process].workers.len() {
            if let Some(number) = self.processes[process].workers[worker].waiting_for {
                self.hear(process, worker, Event::Lost(number, "disconnected".to_owned()));
            }
        }
    }

    fn hear(&mut self, process: usize, worker: usize, event: Event) {
        let now = moment(self.now);
        let here = &mut self.processes[process].workers[worker];
        if let Event::Answered(number, _) | Event::Described(number, ..) | Event::Lost(number, _) = &event {
            here.waiting_for.take_if(|waiting| waiting == number);
        }
        for action in here.member.handle(event, now) {
            match action {
                Action::Send(number, request) => {
                    self.processes[process].workers[worker].waiting_for = Some(number);
                    self.processes[process].requests.push_back((worker, number, Request::Heartbeat(request)));
                }
                Action::Describe(number) => {
                    self.processes[process].workers[worker].waiting_for = Some(number);
                    self.processes[process].requests.push_back((worker, number, Request::Describe));
                }
                Action::FindCoordinator => self.processes[process].must_find = true,
                Action::FindSourceTopics(_) => self.hear(process, worker, Event::SourceTopics { missing: Vec::new() }),
                Action::Tell(message) => self.tell(process, worker, message),
            }
        }
    }

    fn tell(&mut self, process: usize, worker: usize, message: ThreadMessage) {
        self.processes[process].workers[worker].thread.inbox.push_back(message.clone());
        match (self.fault, message) {
            (Fault::AcknowledgesBeforeRevoking, ThreadMessage::Assigned { assignment, tasks, .. }) => {
                self.hear(process, worker, Event::Thread(ThreadEvent::Owns { assignment, tasks }));
            }
            (Fault::RejoinsBeforeAbort, ThreadMessage::Fenced) => self.hear(process, worker, Event::Thread(ThreadEvent::Aborted)),
            _ => {}
        }
    }

    // ---- the stream thread, as the runtime is to be -------------------------------------------------------------------

    fn read(&mut self, process: usize, worker: usize) {
        if self.processes[process].workers[worker].thread.busy_until > self.now {
            return;
        }
        match self.processes[process].workers[worker].thread.inbox.pop_front() {
            Some(ThreadMessage::Assigned { assignment, tasks, .. }) => self.take(process, worker, assignment, tasks),
            Some(ThreadMessage::Fenced) => self.drop_everything(process, worker),
            Some(ThreadMessage::Failed(error)) => panic!("a member failed: {error}"),
            Some(_) | None => {}
        }
        let polled = Event::Polled(Duration::from_millis(self.now));
        self.hear(process, worker, polled);
    }

    fn take(&mut self, process: usize, worker: usize, assignment: AssignmentNumber, tasks: Tasks) {
        let lost = self.processes[process].workers[worker].thread.open.keys().any(|task| !tasks.active.contains(task));
        if lost {
            self.commit(process, worker);
        }
        let thread = &mut self.processes[process].workers[worker].thread;
        thread.open.retain(|task, _| tasks.active.contains(task));
        thread.to_open = tasks.active.iter().filter(|task| !thread.open.contains_key(task)).copied().collect();
        self.hear(process, worker, Event::Thread(ThreadEvent::Owns { assignment, tasks }));
    }

    fn drop_everything(&mut self, process: usize, worker: usize) {
        let thread = &mut self.processes[process].workers[worker].thread;
        match self.fault {
            Fault::IgnoresFence => {}
            Fault::CrossesRejoin => {
                thread.open.clear();
                thread.to_open.clear();
            }
            _ => *thread = Thread { inbox: std::mem::take(&mut thread.inbox), ..Thread::idle() },
        }
        self.hear(process, worker, Event::Thread(ThreadEvent::Aborted));
    }

    fn open(&mut self, process: usize, worker: usize) {
        let thread = &mut self.processes[process].workers[worker].thread;
        if let Some(task) = thread.to_open.pop_first() {
            thread.open.insert(task, self.broker.committed[&task]);
        }
    }

    fn process(&mut self, process: usize, worker: usize) {
        let here = &mut self.processes[process].workers[worker];
        let Some(membership) = here.member.membership() else { return };
        for (task, committed) in &here.thread.open {
            let transaction = here.thread.transaction.get_or_insert_with(|| Transaction { membership, work: BTreeMap::new() });
            transaction.work.entry(*task).or_insert((*committed, *committed)).1 += 1;
        }
    }

    fn commit(&mut self, process: usize, worker: usize) {
        let here = &mut self.processes[process].workers[worker];
        let Some(transaction) = here.thread.transaction.take() else { return };
        let current =
            here.member.membership().filter(|current| current.number == transaction.membership.number || self.fault == Fault::CrossesRejoin);
        let taken = current.is_some_and(|current| self.broker.commit(here.member.id(), current.epoch, &transaction.work, self.now).is_ok());
        self.commits += usize::from(taken);
        for (task, (from, to)) in &transaction.work {
            if let Some(committed) = here.thread.open.get_mut(task) {
                *committed = if taken { *to } else { *from };
            }
        }
        if !taken && self.fault == Fault::CrossesRejoin && current.is_none() {
            here.thread.transaction = Some(transaction);
        }
    }

    // ---- what must hold ----------------------------------------------------------------------------------------------

    /// Nobody but one could commit a task: it is open there, and the broker would take it.
    fn check(&mut self) {
        if self.violation.is_none() {
            self.violation = self.broker.violation.clone().or_else(|| self.rivals());
        }
    }

    fn rivals(&self) -> Option<String> {
        for task in self.broker.tasks() {
            let able = self.processes.iter().filter(|process| process.alive).flat_map(|process| &process.workers).filter(|worker| {
                let begun = worker.thread.transaction.as_ref().map(|transaction| transaction.membership.number);
                let current = worker
                    .member
                    .membership()
                    .filter(|current| begun.is_none_or(|begun| begun == current.number) || self.fault == Fault::CrossesRejoin);
                let has =
                    worker.thread.open.contains_key(task) || worker.thread.transaction.as_ref().is_some_and(|begun| begun.work.contains_key(task));
                has && current.is_some_and(|current| self.broker.would_take(worker.member.id(), current.epoch, *task).is_ok())
            });
            let able: Vec<&str> = able.map(|worker| worker.member.id()).collect();
            if able.len() > 1 {
                return Some(format!("{task} could be committed by {able:?}"));
            }
        }
        None
    }

    /// No more faults: everyone comes back, and time passes until the group is at rest.
    pub(crate) fn calm(&mut self) {
        for process in 0..PROCESSES.len() {
            self.step(Step::Wake(process));
            let ended = self.processes[process].workers.iter().any(|worker| worker.member.has_ended());
            if ended {
                self.step(Step::Kill(process));
            }
            self.step(Step::Start(process));
        }
        for _ in 0..120 {
            self.step(Step::Pass(250));
            for (process, workers) in PROCESSES.into_iter().enumerate() {
                self.step(Step::FindCoordinator(process));
                for _ in 0..4 {
                    self.step(Step::Deliver(process));
                    self.step(Step::Answer(process));
                }
                for worker in 0..workers {
                    for _ in 0..TASKS {
                        self.step(Step::Read(process, worker));
                        self.step(Step::Open(process, worker));
                    }
                    self.step(Step::Process(process, worker));
                    self.step(Step::Commit(process, worker));
                }
            }
        }
    }

    /// The tasks that are open, with their members.
    pub(crate) fn owners(&self) -> BTreeMap<TaskId, Vec<String>> {
        let mut owners: BTreeMap<TaskId, Vec<String>> = BTreeMap::new();
        for worker in self.processes.iter().flat_map(|process| &process.workers) {
            for task in worker.thread.open.keys() {
                owners.entry(*task).or_default().push(worker.member.id().to_owned());
            }
        }
        owners
    }
}

impl Thread {
    fn idle() -> Self {
        Self { inbox: VecDeque::new(), to_open: BTreeSet::new(), open: BTreeMap::new(), transaction: None, busy_until: 0 }
    }
}
