//! The life of brokers: registration, heartbeats, fencing, controlled shutdown, unregistration.

use crate::controller::Controller;
use crate::controller::Moment;
use crate::controller::Note;
use crate::controller::Outcome;
use crate::controller::Refusal;
use crate::controller::change::Comings;
use crate::metadata::Broker;
use crate::metadata::MetadataRecord;
use crate::metadata::feature;
use crate::schema::broker_heartbeat_request::BrokerHeartbeatRequest;
use crate::schema::broker_heartbeat_response::BrokerHeartbeatResponse;
use crate::schema::broker_registration_change_record::BrokerRegistrationChangeRecord;
use crate::schema::broker_registration_request::BrokerRegistrationRequest;
use crate::schema::broker_registration_response::BrokerRegistrationResponse;
use crate::schema::register_broker_record::BrokerEndpoint;
use crate::schema::register_broker_record::BrokerFeature;
use crate::schema::register_broker_record::RegisterBrokerRecord;
use crate::schema::unregister_broker_record::UnregisterBrokerRecord;
use crate::schema::unregister_broker_request::UnregisterBrokerRequest;
use crate::schema::unregister_broker_response::UnregisterBrokerResponse;
use crate::types::ErrorCode;
use crate::types::NodeId;
use crate::types::Timestamp;
use crate::types::Uuid;
use std::collections::BTreeSet;

/// From this version on a registration says with which epoch the broker stopped cleanly.
const FIRST_VERSION_WITH_PREVIOUS_EPOCH: i16 = 3;

/// What a broker is, and what it is told to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Fenced,
    Unfenced,
    ControlledShutdown,
    ShutdownNow,
}

impl Controller {
    /// With `holds_lock` the broker is part of this very process, whose lock on the folder proves that whoever was
    /// registered before is dead: it need not wait for a session to end.
    pub fn register_broker(
        &self,
        moment: &Moment<'_>,
        version: i16,
        request: &BrokerRegistrationRequest,
        holds_lock: bool,
    ) -> Outcome<Result<BrokerRegistrationResponse, Refusal>> {
        let record = match self.registration(moment.now, request, holds_lock) {
            Ok(record) => record,
            Err(refusal) => return Outcome::reply(Err(refusal)),
        };
        let before = self.image().broker(request.broker_id);
        let mut records = Vec::new();
        if before.is_none_or(|before| before.incarnation != request.incarnation_id) {
            let knows = version >= FIRST_VERSION_WITH_PREVIOUS_EPOCH;
            let clean = knows && before.is_some_and(|before| before.epoch == request.previous_broker_epoch);
            records = self.broker_stopped(request.broker_id, clean);
        }
        let broker_epoch = record.broker_epoch;
        records.push(record.into());
        Outcome::of(
            records,
            Ok(BrokerRegistrationResponse {
                broker_epoch,
                ..Default::default()
            }),
        )
    }

    fn registration(
        &self,
        now: Timestamp,
        request: &BrokerRegistrationRequest,
        holds_lock: bool,
    ) -> Result<RegisterBrokerRecord, Refusal> {
        let expected = &self.settings().cluster_id;
        if *expected != request.cluster_id {
            let message = format!(
                "Expected cluster ID {expected}, but got cluster ID {}",
                request.cluster_id
            );
            return Err(Refusal::new(ErrorCode::InconsistentClusterId, message));
        }
        let before = self.image().broker(request.broker_id);
        let amended = before.filter(|before| before.incarnation == request.incarnation_id);
        let session = |broker: &Broker| {
            self.heartbeats.has_session(
                broker.id,
                broker.epoch,
                (now, i64::from(self.config().broker_session_timeout_ms())),
            )
        };
        if !holds_lock && amended.is_none() && before.is_some_and(|before| session(before)) {
            let message = "Another broker is registered with that broker id. If the broker was recently restarted \
                           this should self-resolve once the heartbeat manager expires the broker's session.";
            return Err(Refusal::new(ErrorCode::DuplicateBrokerRegistration, message));
        }
        if request.is_migrating_zk_broker {
            let message = "Controller does not support registering ZK brokers.";
            return Err(Refusal::new(ErrorCode::BrokerIdNotRegistered, message));
        }
        let directories = self.level().directory_assignment();
        if directories {
            self.check_directories(request)?;
        }
        let features = self.check_features(request)?;
        Ok(RegisterBrokerRecord {
            broker_id: request.broker_id,
            incarnation_id: request.incarnation_id,
            broker_epoch: amended.map_or(self.end(), |before| before.epoch),
            end_points: endpoints(request)?,
            features,
            rack: request.rack.clone(),
            fenced: amended.is_none_or(|before| before.fenced),
            in_controlled_shutdown: amended.is_some_and(|before| before.in_controlled_shutdown),
            log_dirs: if directories {
                request.log_dirs.clone()
            } else {
                Vec::new()
            },
            ..Default::default()
        })
    }

    fn check_directories(&self, request: &BrokerRegistrationRequest) -> Result<(), Refusal> {
        let refuse = |message: String| Err(Refusal::new(ErrorCode::InvalidRegistration, message));
        let wanted: BTreeSet<Uuid> = request.log_dirs.iter().copied().collect();
        if wanted.is_empty() {
            return refuse("No directories specified in request".to_owned());
        }
        if wanted.iter().any(Uuid::is_reserved) {
            return refuse("Reserved directory ID in request".to_owned());
        }
        if wanted.len() != request.log_dirs.len() {
            return refuse("Duplicate directory ID in request".to_owned());
        }
        for broker in self.image().brokers().filter(|broker| broker.id != request.broker_id) {
            if let Some(taken) = broker.directories.iter().find(|directory| wanted.contains(directory)) {
                return refuse(format!(
                    "Broker {} is already registered with directory {taken}",
                    broker.id
                ));
            }
        }
        Ok(())
    }

    /// A broker must be able to do what the cluster has finalised. What this controller cannot do either does not count:
    /// its log may come from a controller that could, and a broker of this build does not claim it.
    fn check_features(&self, request: &BrokerRegistrationRequest) -> Result<Vec<BrokerFeature>, Refusal> {
        let finalized = |name: &str| match name {
            feature::KRAFT_VERSION => self.settings().kraft_version,
            name => self.image().feature(name),
        };
        let check = |name: &str, (min, max): (i16, i16)| {
            let level = finalized(name);
            if min <= level && level <= max {
                return Ok(());
            }
            let message = format!(
                "Unable to register because the broker does not support finalized version {level} of {name}. The \
                 broker wants a version between {min} and {max}, inclusive."
            );
            Err(Refusal::new(ErrorCode::UnsupportedVersion, message))
        };
        let mut features = Vec::with_capacity(request.features.len());
        for feature in &request.features {
            check(
                &feature.name,
                (feature.min_supported_version, feature.max_supported_version),
            )?;
            features.push(BrokerFeature {
                name: feature.name.clone(),
                min_supported_version: feature.min_supported_version,
                max_supported_version: feature.max_supported_version,
            });
        }
        let claims = |name: &str| request.features.iter().any(|feature| feature.name == name);
        if !claims(feature::METADATA_VERSION) {
            let message = "Request features do not contain 'metadata.version'";
            return Err(Refusal::new(ErrorCode::InvalidRegistration, message));
        }
        let can = |name: &str| self.settings().features.contains_key(name);
        let names = self.image().features().map(|(name, _)| name.as_str());
        for name in names
            .chain([feature::KRAFT_VERSION])
            .filter(|name| can(name) && !claims(name))
        {
            check(name, (0, 0))?;
        }
        Ok(features)
    }

    pub fn heartbeat(
        &self,
        moment: &Moment<'_>,
        request: &BrokerHeartbeatRequest,
    ) -> Outcome<Result<BrokerHeartbeatResponse, Refusal>> {
        let (id, epoch) = (request.broker_id, request.broker_epoch);
        let contact = Note::Contact {
            broker: id,
            epoch,
            at: moment.now,
        };
        let (broker, known) = match self.checked_broker(id, epoch) {
            Ok(broker) => (broker, self.heartbeats.broker(id)),
            Err(refusal) => return Outcome::reply(Err(refusal)),
        };
        let registered_at = known.map_or(0, |known| known.registered_at);
        let now = match known {
            Some(known) if known.shutdown_at.is_some() => State::ControlledShutdown,
            _ if broker.fenced => State::Fenced,
            _ => State::Unfenced,
        };
        let next = self.next_state(now, request, registered_at);
        let mut records = if now == next {
            Vec::new()
        } else {
            self.enter(broker, next)
        };
        if self.level().directory_assignment() {
            records.extend(self.directories_offline(broker, &request.offline_log_dirs));
        }
        if self.level().cordoned_directories() {
            records.extend(directories_cordoned(broker, request.cordoned_log_dirs.as_deref()));
        }
        let mut notes = vec![
            contact,
            Note::Read {
                broker: id,
                offset: request.current_metadata_offset,
            },
        ];
        if next == State::ControlledShutdown {
            notes.push(Note::ShuttingDown { broker: id });
        }
        let response = BrokerHeartbeatResponse {
            is_caught_up: request.current_metadata_offset >= registered_at,
            is_fenced: matches!(next, State::Fenced | State::ShutdownNow),
            should_shut_down: next == State::ShutdownNow,
            ..Default::default()
        };
        Outcome {
            records,
            notes,
            reply: Ok(response),
        }
    }

    fn next_state(&self, now: State, request: &BrokerHeartbeatRequest, registered_at: i64) -> State {
        let leads = || self.leads_anything(request.broker_id);
        match now {
            State::Fenced if request.want_shut_down => State::ShutdownNow,
            State::Fenced if !request.want_fence && request.current_metadata_offset >= registered_at => State::Unfenced,
            State::Fenced => State::Fenced,
            State::Unfenced if request.want_fence && request.want_shut_down => State::ShutdownNow,
            State::Unfenced if request.want_fence => State::Fenced,
            State::Unfenced if !request.want_shut_down => State::Unfenced,
            State::Unfenced if leads() => State::ControlledShutdown,
            State::Unfenced => State::ShutdownNow,
            State::ControlledShutdown if leads() => State::ControlledShutdown,
            State::ControlledShutdown => {
                let began = self
                    .heartbeats
                    .broker(request.broker_id)
                    .and_then(|known| known.shutdown_at);
                match began.unwrap_or(-1) <= self.heartbeats.lowest_read() {
                    true => State::ShutdownNow,
                    false => State::ControlledShutdown,
                }
            }
            State::ShutdownNow => State::ShutdownNow,
        }
    }

    fn enter(&self, broker: &Broker, next: State) -> Vec<MetadataRecord> {
        let (broker_id, broker_epoch) = (broker.id, broker.epoch);
        let change = BrokerRegistrationChangeRecord {
            broker_id,
            broker_epoch,
            ..Default::default()
        };
        match next {
            State::Fenced | State::ShutdownNow => self.broker_fenced(broker),
            State::Unfenced => {
                let mut records = vec![BrokerRegistrationChangeRecord { fenced: -1, ..change }.into()];
                let comings = Comings {
                    joins: Some(broker_id),
                    ..Comings::default()
                };
                records.extend(self.change_matching(comings, |partition| !partition.has_leader()));
                records
            }
            State::ControlledShutdown => {
                let mut records = Vec::new();
                if !broker.in_controlled_shutdown {
                    records.push(
                        BrokerRegistrationChangeRecord {
                            in_controlled_shutdown: 1,
                            ..change
                        }
                        .into(),
                    );
                }
                let comings = Comings {
                    leaves: Some(broker_id),
                    ..Comings::default()
                };
                records.extend(self.change_matching(comings, |partition| partition.isr.contains(&broker_id)));
                records
            }
        }
    }

    fn broker_fenced(&self, broker: &Broker) -> Vec<MetadataRecord> {
        let comings = Comings {
            leaves: Some(broker.id),
            ..Comings::default()
        };
        let mut records = self.change_matching(comings, |partition| partition.isr.contains(&broker.id));
        let change = BrokerRegistrationChangeRecord {
            broker_id: broker.id,
            broker_epoch: broker.epoch,
            fenced: 1,
            ..Default::default()
        };
        records.push(change.into());
        records
    }

    /// A new incarnation means that the one before has stopped; uncleanly, it may have lost what it had in sync.
    fn broker_stopped(&self, broker: NodeId, clean: bool) -> Vec<MetadataRecord> {
        if clean || !self.image().elr_enabled() {
            let comings = Comings {
                leaves: Some(broker),
                ..Comings::default()
            };
            return self.change_matching(comings, |partition| partition.isr.contains(&broker));
        }
        let comings = Comings {
            crashed: Some(broker),
            ..Comings::default()
        };
        self.change_matching(comings, |partition| {
            partition.isr.contains(&broker) || partition.eligible_leaders.contains(&broker)
        })
    }

    fn leads_anything(&self, broker: NodeId) -> bool {
        let mut partitions = self.image().topics().flat_map(|topic| topic.partitions());
        partitions.any(|partition| partition.leader == broker)
    }

    pub(super) fn checked_broker(&self, id: NodeId, epoch: i64) -> Result<&Broker, Refusal> {
        let stale = |message: String| Refusal::new(ErrorCode::StaleBrokerEpoch, message);
        let broker = self.image().broker(id);
        let broker = broker.ok_or_else(|| stale(format!("No broker registration found for broker id {id}")))?;
        match broker.epoch == epoch {
            true => Ok(broker),
            false => Err(stale(format!(
                "Expected broker epoch {}, but got broker epoch {epoch}",
                broker.epoch
            ))),
        }
    }

    /// Fences one broker that has been silent for a whole session; there may be more. Names it, and tells whether it
    /// was serving: one that left in order is silent, too.
    pub fn fence_one_silent(&self, now: Timestamp) -> Outcome<Option<(NodeId, bool)>> {
        let Some((id, epoch)) = self
            .heartbeats
            .expired(now, i64::from(self.config().broker_session_timeout_ms()))
        else {
            return Outcome::reply(None);
        };
        let known = self
            .image()
            .broker(id)
            .filter(|broker| broker.epoch == epoch && !broker.fenced);
        let served = known.is_some();
        let records = known.map(|broker| self.broker_fenced(broker)).unwrap_or_default();
        Outcome {
            records,
            notes: vec![Note::Silent { broker: id, epoch }],
            reply: Some((id, served)),
        }
    }

    /// When to ask for silent brokers again.
    pub fn next_session_end(&self) -> Option<Timestamp> {
        self.heartbeats
            .next_expiry(i64::from(self.config().broker_session_timeout_ms()))
    }

    pub fn unregister_broker(&self, request: &UnregisterBrokerRequest) -> Outcome<UnregisterBrokerResponse> {
        let broker_id = request.broker_id;
        let Some(broker) = self.image().broker(broker_id) else {
            let message = format!("Broker ID {broker_id} is not currently registered");
            return Outcome::reply(UnregisterBrokerResponse {
                error_code: ErrorCode::BrokerIdNotRegistered.code(),
                error_message: Some(message.into()),
                ..Default::default()
            });
        };
        let comings = Comings {
            leaves: Some(broker_id),
            ..Comings::default()
        };
        let mut records = self.change_matching(comings, |partition| {
            partition.isr.contains(&broker_id) || partition.eligible_leaders.contains(&broker_id)
        });
        records.push(
            UnregisterBrokerRecord {
                broker_id,
                broker_epoch: broker.epoch,
            }
            .into(),
        );
        Outcome::of(records, UnregisterBrokerResponse::default())
    }
}

fn endpoints(request: &BrokerRegistrationRequest) -> Result<Vec<BrokerEndpoint>, Refusal> {
    let mut endpoints: Vec<BrokerEndpoint> = Vec::with_capacity(request.listeners.len());
    for listener in &request.listeners {
        if listener.name.is_empty() || !(0..=3).contains(&listener.security_protocol) {
            return Err(Refusal::bare(ErrorCode::UnknownServerError));
        }
        endpoints.push(BrokerEndpoint {
            name: listener.name.clone(),
            host: listener.host.clone(),
            port: listener.port,
            security_protocol: listener.security_protocol,
        });
    }
    Ok(endpoints)
}

fn directories_cordoned(broker: &Broker, cordoned: Option<&[Uuid]>) -> Option<MetadataRecord> {
    let wanted = cordoned?;
    let set = |ids: &[Uuid]| ids.iter().copied().collect::<BTreeSet<Uuid>>();
    if broker.cordoned.as_deref().map(set) == Some(set(wanted)) {
        return None;
    }
    let change = BrokerRegistrationChangeRecord {
        broker_id: broker.id,
        broker_epoch: broker.epoch,
        cordoned_log_dirs: Some(wanted.to_vec()),
        ..Default::default()
    };
    Some(change.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::testing::World;
    use crate::metadata::NO_LEADER;
    use crate::metadata::Partition;
    use crate::schema::broker_registration_request::Listener;

    fn partition(world: &World, topic: Uuid) -> Partition {
        (**world.image().partition(topic, 0).unwrap()).clone()
    }

    #[test]
    fn registrations_are_checked_in_kafkas_order() {
        let good = || World::registration(1, 77);
        let with = |change: &dyn Fn(&mut BrokerRegistrationRequest)| {
            let mut request = good();
            change(&mut request);
            request
        };
        for (case, request, expected) in [
            ("good", good(), Ok(())),
            ("cluster", with(&|r| r.cluster_id = "other".into()), Err(104)),
            ("alive", with(&|r| r.broker_id = 0), Err(101)),
            (
                "same incarnation",
                with(&|r| (r.broker_id, r.incarnation_id) = (0, Uuid([7; 16]))),
                Err(101),
            ),
            ("zookeeper", with(&|r| r.is_migrating_zk_broker = true), Err(102)),
            ("no directory", with(&|r| r.log_dirs.clear()), Err(119)),
            ("reserved", with(&|r| r.log_dirs = vec![Uuid::ONE]), Err(119)),
            ("twice", with(&|r| r.log_dirs = vec![World::directory(1); 2]), Err(119)),
            ("another's", with(&|r| r.log_dirs = vec![World::directory(0)]), Err(119)),
            (
                "no metadata.version",
                with(&|r| r.features.retain(|f| f.name != "metadata.version")),
                Err(119),
            ),
            (
                "old metadata.version",
                with(&|r| r.features[0].max_supported_version = 29),
                Err(35),
            ),
            ("elr left out", with(&|r| r.features.truncate(2)), Err(35)),
            (
                "protocol",
                with(&|r| {
                    r.listeners = vec![Listener {
                        name: "A".into(),
                        security_protocol: 9,
                        ..Default::default()
                    }]
                }),
                Err(-1),
            ),
        ] {
            let mut world = World::with_brokers(1);
            let reply = world.run(|controller, moment| controller.register_broker(moment, 4, &request, false));
            assert_eq!(
                reply.map(|_| ()).map_err(|refusal| refusal.code.code()),
                expected,
                "{case}"
            );
        }
    }

    #[test]
    fn the_epoch_of_a_broker_is_the_offset_of_its_registration() {
        let mut world = World::new();
        let end = world.controller.end();
        let request = World::registration(0, 1);
        let reply = world.run(|controller, moment| controller.register_broker(moment, 4, &request, false));
        assert_eq!(reply.unwrap().broker_epoch, end);
        assert!(world.image().broker(0).unwrap().fenced);
        let again = world.run(|controller, moment| controller.register_broker(moment, 4, &request, false));
        assert_eq!(again.unwrap().broker_epoch, end, "the same incarnation only amends");
    }

    #[test]
    fn a_broker_is_unfenced_once_it_has_read_its_own_registration() {
        let mut world = World::new();
        let request = World::registration(0, 1);
        world
            .run(|controller, moment| controller.register_broker(moment, 4, &request, false))
            .unwrap();
        let epoch = world.epoch(0);
        for (read, want_fence, caught_up, fenced) in [
            (epoch - 1, false, false, true),
            (epoch, true, true, true),
            (epoch, false, true, false),
        ] {
            let request = BrokerHeartbeatRequest {
                broker_id: 0,
                broker_epoch: epoch,
                current_metadata_offset: read,
                want_fence,
                ..Default::default()
            };
            let reply = world
                .run(|controller, moment| controller.heartbeat(moment, &request))
                .unwrap();
            assert_eq!(
                (reply.is_caught_up, reply.is_fenced),
                (caught_up, fenced),
                "{read} {want_fence}"
            );
        }
    }

    #[test]
    fn a_silent_broker_is_fenced_and_others_lead_what_it_led() {
        let mut world = World::with_brokers(2);
        let topic = world.assigned_topic("a", &[&[0, 1]]);
        world.now = 9_000;
        world.beat(1, false, false);
        assert_eq!(
            world.run(|controller, moment| controller.fence_one_silent(moment.now)),
            None
        );
        world.now = 9_001;
        assert_eq!(world.controller.next_session_end(), Some(9_001));
        let fenced = world.run(|controller, moment| controller.fence_one_silent(moment.now));
        assert_eq!(fenced, Some((0, true)));
        assert_eq!(
            world.run(|controller, moment| controller.fence_one_silent(moment.now)),
            None
        );
        assert!(world.image().broker(0).unwrap().fenced);
        let after = partition(&world, topic);
        assert_eq!((after.leader, after.leader_epoch, &after.isr[..]), (1, 1, &[1][..]));
    }

    #[test]
    fn without_elr_the_last_in_sync_replica_stays_in_sync_without_a_leader() {
        let mut world = World::with_brokers(1);
        let name = feature::ELIGIBLE_LEADER_REPLICAS.into();
        world.write(vec![
            crate::schema::feature_level_record::FeatureLevelRecord { name, feature_level: 0 }.into(),
        ]);
        let topic = world.topic("a", 1, 1);
        world.fence(0);
        let fenced = partition(&world, topic);
        assert_eq!((fenced.leader, &fenced.isr[..]), (NO_LEADER, &[0][..]));
        world.beat(0, false, false);
        let back = partition(&world, topic);
        assert_eq!((back.leader, back.leader_epoch), (0, 2));
    }

    #[test]
    fn with_elr_a_clean_restart_leads_again_and_a_crash_is_an_unclean_election_of_the_last_leader() {
        for (clean, recovery) in [(true, 0), (false, 1)] {
            let mut world = World::with_brokers(1);
            let topic = world.topic("a", 1, 1);
            let before = world.epoch(0);
            world.start(0, if clean { before } else { -1 }, true).unwrap();
            let after = partition(&world, topic);
            assert_eq!(
                (after.leader, after.leader_epoch, &after.isr[..]),
                (0, 2, &[0][..]),
                "clean: {clean}"
            );
            assert_eq!(after.leader_recovery.code(), recovery, "clean: {clean}");
            assert!(after.eligible_leaders.is_empty() && after.last_known_leaders.is_empty());
        }
    }

    #[test]
    fn only_the_holder_of_the_lock_replaces_a_living_incarnation() {
        let mut world = World::with_brokers(1);
        assert_eq!(
            world.start(0, -1, false).unwrap_err().code,
            ErrorCode::DuplicateBrokerRegistration
        );
        assert!(world.start(0, -1, true).is_ok());
        world.now += 9_001;
        assert!(world.start(0, -1, false).is_ok(), "its session is over");
    }

    #[test]
    fn a_broker_that_leads_leaves_when_the_others_have_read_that_they_lead() {
        let mut world = World::with_brokers(2);
        let topic = world.assigned_topic("a", &[&[0, 1]]);
        let lagging = BrokerHeartbeatRequest {
            broker_id: 1,
            broker_epoch: world.epoch(1),
            current_metadata_offset: world.image().offset,
            ..Default::default()
        };
        assert!(!world.beat(0, false, true).should_shut_down);
        assert_eq!(partition(&world, topic).leader, 1);
        assert!(world.image().broker(0).unwrap().in_controlled_shutdown);
        world
            .run(|controller, moment| controller.heartbeat(moment, &lagging))
            .unwrap();
        assert!(
            !world.beat(0, false, true).should_shut_down,
            "broker 1 has not read it yet"
        );
        world.beat(1, false, false);
        assert!(world.beat(0, false, true).should_shut_down);
        assert!(world.image().broker(0).unwrap().fenced);
    }

    #[test]
    fn a_broker_alone_leaves_at_its_second_word() {
        let mut world = World::with_brokers(1);
        let topic = world.topic("a", 1, 1);
        assert!(!world.beat(0, false, true).should_shut_down);
        assert!(world.beat(0, false, true).should_shut_down);
        let after = partition(&world, topic);
        assert_eq!(
            (after.leader, &after.eligible_leaders[..], &after.last_known_leaders[..]),
            (-1, &[0][..], &[0][..])
        );
    }

    #[test]
    fn an_unregistered_broker_is_forgotten() {
        let mut world = World::with_brokers(2);
        world.assigned_topic("a", &[&[1, 0]]);
        for (broker_id, code) in [(1, 0), (1, 102)] {
            let request = UnregisterBrokerRequest { broker_id };
            let reply = world.run(|controller, _| controller.unregister_broker(&request));
            assert_eq!(reply.error_code, code);
        }
        assert_eq!(world.image().topic("a").unwrap().partition(0).unwrap().leader, 0);
    }

    #[test]
    fn what_lay_in_a_lost_directory_is_led_by_others() {
        let mut world = World::with_brokers(2);
        let topic = world.assigned_topic("a", &[&[0, 1]]);
        let (broker_epoch, read) = (world.epoch(0), world.image().offset);
        let second = World::directory(50);
        let two = BrokerRegistrationChangeRecord {
            broker_id: 0,
            broker_epoch,
            log_dirs: vec![World::directory(0), second],
            ..Default::default()
        };
        world.write(vec![two.into()]);
        let request = BrokerHeartbeatRequest {
            broker_id: 0,
            broker_epoch,
            current_metadata_offset: read,
            offline_log_dirs: vec![World::directory(0)],
            cordoned_log_dirs: Some(vec![second]),
            ..Default::default()
        };
        world
            .run(|controller, moment| controller.heartbeat(moment, &request))
            .unwrap();
        assert_eq!(partition(&world, topic).leader, 1);
        let broker = world.image().broker(0).unwrap();
        assert_eq!((&broker.directories[..], broker.fenced), (&[second][..], false));
        assert!(!broker.takes_new_replicas());
    }
}
