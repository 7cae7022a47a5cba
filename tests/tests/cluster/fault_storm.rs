//! A storm of changes, each at random and none of them waiting for what becomes of the one before.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::DeleteParams;
use kube::{Api, Error};
use release_shared::kinds::Kind;
use release_shared::names;
use release_tests::block_on;
use serde_json::{Value, json};

use super::fault_world::{ENVIRONMENTS, RELEASES, World, config_map, direct, release_name};
use super::objects::{binding, object};
use super::person::Told;

/// The components that are pinned, and the one whose Releases are made by hand.
pub(crate) const PINNED: [&str; 3] = ["web", "api", "worker"];
pub(crate) const BY_HAND: &str = "tool";

/// How many revisions a binding gets before it is deleted and begins anew: no more than outcomes are kept.
const MOST_REVISIONS: u32 = 45;

/// Numbers that look random, and are the same for the same seed. (SplitMix64)
#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to one less than `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX);
        usize::try_from(self.next() % end).unwrap_or_default()
    }

    /// A word that did not come up before, as good as certainly.
    fn mark(&mut self) -> String {
        format!("{:08x}", self.next() >> 32)
    }

    /// Between two times.
    pub(crate) fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let span = usize::try_from((most - least).as_micros()).unwrap_or(usize::MAX);
        least + Duration::from_micros(u64::try_from(self.below(span)).unwrap_or_default())
    }
}

/// Somebody who changes things.
pub(crate) struct Storm<'a> {
    world: &'a World<'a>,
    random: Random,
    pins: Vec<Pin>,
    /// The environments, and whether there is a Release.
    by_hand: Vec<(&'static str, bool)>,
    /// What was done, when, and to which binding or Release.
    pub(crate) done: Vec<(Timestamp, String, String)>,
}

struct Pin {
    component: &'static str,
    environment: &'static str,
    /// 0 where there is no binding.
    revisions: u32,
    version: usize,
    is_undeployed: bool,
}

impl Pin {
    fn name(&self) -> String {
        names::binding_name(self.component, self.environment)
    }

    fn binding(&self) -> Value {
        binding(self.component, self.environment, "")
    }

    fn change(&mut self, world: &World<'_>, patch: &Value) {
        self.revisions += 1;
        world.patch(&self.binding(), patch);
    }

    /// With a mark that was never there before.
    fn promote(&mut self, world: &World<'_>, random: &mut Random, version: usize) -> String {
        self.version = version;
        let mut pin = binding(self.component, self.environment, &release_name(self.component, version));
        let size = ["small", "medium", "large"][random.below(3)];
        let configs = json!({ "replicas": 1 + random.below(2), "size": size, "mark": random.mark() });
        let what = format!("pin release {version} with {configs}");
        pin["spec"]["componentTypeEnvironmentConfigs"] = configs;
        if self.revisions == 0 {
            world.create(&pin);
            (self.revisions, self.is_undeployed) = (1, false);
        } else {
            self.change(world, &json!({ "spec": pin["spec"] }));
        }
        what
    }

    fn turn(&mut self, world: &World<'_>) -> String {
        self.is_undeployed = !self.is_undeployed;
        let state = if self.is_undeployed { "Undeploy" } else { "Active" };
        self.change(world, &json!({ "spec": { "state": state } }));
        state.to_owned()
    }

    fn delete(&mut self, world: &World<'_>) -> String {
        unless_gone(&world.admin.delete(&self.binding()));
        self.revisions = 0;
        "delete the binding".to_owned()
    }
}

impl<'a> Storm<'a> {
    pub(crate) fn new(world: &'a World<'a>, random: Random) -> Self {
        let pin =
            |component, environment| Pin { component, environment, revisions: 0, version: 0, is_undeployed: false };
        let pins = PINNED.iter().flat_map(|component| ENVIRONMENTS.map(|environment| pin(*component, environment)));
        let by_hand = ENVIRONMENTS.iter().take(2).map(|environment| (*environment, false));
        Self { world, random, pins: pins.collect(), by_hand: by_hand.collect(), done: Vec::new() }
    }

    /// Everything pinned once, so that there is something to change.
    pub(crate) fn gather(&mut self) {
        for at in 0..self.pins.len() {
            self.change_pin(at);
        }
    }

    /// Changes something; how long to wait with the next.
    pub(crate) fn blow(&mut self) -> Duration {
        if self.random.below(8) == 0 {
            let at = self.random.below(self.by_hand.len());
            self.change_by_hand(at);
        } else {
            let at = self.random.below(self.pins.len());
            self.change_pin(at);
        }
        self.random.between(Duration::from_millis(20), Duration::from_millis(220))
    }

    /// Makes what a Release was about to do wrong: other objects are wanted now, and mostly none.
    pub(crate) fn turn(&mut self, release: &str) {
        let at = Timestamp::now();
        let is_it = |(environment, _): &(&str, bool)| release == names::binding_name(BY_HAND, environment);
        if let Some(at) = self.by_hand.iter().position(is_it) {
            return self.change_by_hand(at);
        }
        let Self { world, random, pins, .. } = self;
        let Some(pin) = pins.iter_mut().find(|pin| pin.name() == release) else { return };
        let what = match random.below(8) {
            _ if pin.revisions == 0 => pin.promote(world, random, 1 + pin.version % RELEASES),
            0 => pin.promote(world, random, 1 + pin.version % RELEASES),
            1 => pin.turn(world),
            _ => pin.delete(world),
        };
        self.done.push((at, what, release.to_owned()));
    }

    fn change_pin(&mut self, at: usize) {
        let (choice, version) = (self.random.below(100), 1 + self.random.below(RELEASES));
        let said = Timestamp::now();
        let Self { world, random, pins, .. } = self;
        let pin = &mut pins[at];
        let what = match choice {
            _ if pin.revisions == 0 => pin.promote(world, random, version),
            _ if pin.revisions > MOST_REVISIONS => pin.delete(world),
            0..8 => pin.delete(world),
            8..16 => pin.turn(world),
            16..36 => pin.promote(world, random, pin.version),
            36..42 => {
                let annotations = json!({ names::RESTARTED_AT: said.to_string() });
                pin.change(world, &json!({ "metadata": { "annotations": annotations } }));
                "restart".to_owned()
            }
            42..50 => delete_map(world, pin),
            50..54 => {
                unless_gone(&world.admin.delete(&object(Kind::Release, &pin.name(), json!({}))));
                "delete the Release by hand".to_owned()
            }
            _ => pin.promote(world, random, version),
        };
        let name = pin.name();
        self.done.push((said, what, name));
    }

    /// Releases that nobody renders: some of three objects.
    fn change_by_hand(&mut self, at: usize) {
        let (environment, exists) = self.by_hand[at];
        let said = Timestamp::now();
        let names = ["a".to_owned(), "b".to_owned(), self.random.mark()].map(|suffix| format!("{BY_HAND}-{suffix}"));
        let maps = names.iter().map(|name| config_map(name, &said.to_string()));
        let maps: Vec<_> = maps.filter(|_| self.random.below(3) > 0).collect();
        let release = direct(BY_HAND, environment, &maps);
        let (exists, what) = match (exists, self.random.below(3)) {
            (false, _) => {
                // The one before may still be on its way out.
                let made = self.world.admin.create(&release);
                assert!(!made.as_ref().is_err_and(|status| status.code != 409), "not made: {made:?}");
                (made.is_ok(), "make the Release")
            }
            (true, 0) => {
                unless_gone(&self.world.admin.delete(&release));
                (false, "delete the Release")
            }
            (true, _) => {
                self.world.patch(&release, &json!({ "spec": { "resources": release["spec"]["resources"] } }));
                (true, "change the Release")
            }
        };
        self.by_hand[at].1 = exists;
        self.done.push((said, what.to_owned(), format!("{BY_HAND}-{environment}")));
    }
}

/// Of an object that is live, behind the controller's back.
fn delete_map(world: &World<'_>, pin: &Pin) -> String {
    let map = format!("{}-settings", pin.component);
    let maps: Api<ConfigMap> = Api::namespaced(world.namespace.client(), &world.place(pin.environment));
    let gone = block_on(maps.delete(&map, &DeleteParams::default()));
    assert!(!matches!(&gone, Err(Error::Api(status)) if status.code != 404), "not deleted: {gone:?}");
    format!("delete ConfigMap {map} by hand")
}

#[track_caller]
fn unless_gone(told: &Told) {
    assert!(!told.as_ref().is_err_and(|status| status.code != 404), "not deleted: {told:?}");
}
