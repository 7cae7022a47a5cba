//! What a Release wants, and whether it may have it: each of its objects with its place, or the reason why it is not applied.

use std::collections::HashMap;
use std::sync::Arc;

use kube::core::ApiResource;
use release_edge::follow::Place;
use release_shared::desired::{Desired, Origin, desired, reference};
use release_shared::fence::{Fence, Scope, is_forbidden_namespace};
use release_shared::kinds::{Kind, ObjectRef};
use release_shared::names;
use release_shared::status::Blocked;
use release_shared::world::EnvironmentView;
use serde_json::Value;

use super::Memory;
use crate::control::Control;
use crate::live::Identity;
use crate::namespace::{self, Owners};
use crate::plane::{Known, Plane, Subject, Unknown, Watched};
use crate::queue::Task;
use crate::request::Later;
use crate::store::{Environment, Release};

/// What a Release wants.
pub(super) struct Plan {
    /// The cluster, under the environment's identity.
    pub(super) plane: Arc<Plane>,
    /// Why nothing is applied.
    pub(super) blocked: Option<Blocked>,
    /// In the order of the spec.
    pub(super) objects: Vec<Planned>,
    /// How the kinds of the objects, and of what was applied before, are addressed.
    pub(super) kinds: HashMap<(String, String), Known>,
    /// Whether live objects that cannot be removed are left behind.
    pub(super) orphan_on_delete: bool,
    /// Whether fields of live objects that somebody has taken are taken back.
    pub(super) takes_back: bool,
    /// What could not be watched, and why.
    pub(super) unseen: HashMap<Watched, String>,
}

/// One object.
#[derive(Debug, Clone)]
pub(super) enum Planned {
    /// It can be applied.
    Known {
        /// As it is applied.
        desired: Arc<Desired>,
        /// How its kind is addressed.
        resource: ApiResource,
    },
    /// It cannot.
    Refused {
        /// The id of its resource.
        id: String,
        /// What and where it would be.
        reference: ObjectRef,
        /// A sentence with the cure.
        why: String,
    },
}

/// A plan's objects, kept for as long as the content stays.
pub(super) struct Remembered {
    generation: Option<i64>,
    restarted_at: Option<String>,
    default_namespace: String,
    objects: Vec<Planned>,
    kinds: HashMap<(String, String), Known>,
}

/// The ground that a Release stands on.
struct Ground {
    plane: Arc<Plane>,
    fence: Option<Fence>,
    environment: Option<Environment>,
    blocked: Option<Blocked>,
}

/// Plans a Release.
///
/// # Errors
/// The API server could not be reached.
pub(super) async fn plan(control: &Control, release: &Release, memory: &mut Memory) -> Result<Plan, Later> {
    let ground = ground(control, release);
    let default_namespace = match &ground.fence {
        Some(fence) => fence.default_namespace().to_owned(),
        None => was_default(release),
    };
    let remembered = memory.plan.take().filter(|plan| {
        plan.generation == release.generation
            && plan.restarted_at == release.restarted_at
            && plan.default_namespace == default_namespace
    });
    let (objects, mut kinds) = match remembered {
        Some(plan) => (plan.objects, plan.kinds),
        None => build(release, &ground, &default_namespace).await?,
    };
    learn(&ground.plane, &release.status.inventory, &mut kinds).await?;
    if objects.iter().all(|planned| matches!(planned, Planned::Known { .. })) {
        memory.plan = Some(Remembered {
            generation: release.generation,
            restarted_at: release.restarted_at.clone(),
            default_namespace,
            objects: objects.clone(),
            kinds: kinds.clone(),
        });
    }
    let mut plan = Plan {
        plane: ground.plane,
        blocked: ground.blocked,
        objects,
        kinds,
        orphan_on_delete: false,
        takes_back: ground.environment.as_ref().is_some_and(|environment| environment.takes_back),
        unseen: HashMap::new(),
    };
    if let (None, Some(fence)) = (&plan.blocked, &ground.fence) {
        plan.fence_in(fence);
        plan.blocked = namespaces(control, release, &plan, fence, ground.environment.as_ref()).await?;
    }
    Ok(plan)
}

/// What a Release has to remove that is being deleted: all that it has made. Where the Environment is gone, so is the identity that
/// was to be used there; our own is used, on nothing but what carries the Release's own mark.
///
/// # Errors
/// The API server could not be reached.
pub(super) async fn to_remove(control: &Control, release: &Release) -> Result<Plan, Later> {
    let ground = ground(control, release);
    let mut kinds = HashMap::new();
    learn(&ground.plane, &release.status.inventory, &mut kinds).await?;
    let orphan_on_delete = ground.environment.as_ref().is_some_and(|environment| environment.orphan_on_delete);
    Ok(Plan {
        plane: ground.plane,
        blocked: ground.blocked,
        objects: Vec::new(),
        kinds,
        orphan_on_delete,
        takes_back: false,
        unseen: HashMap::new(),
    })
}

/// How the kinds of what was applied before are addressed.
async fn learn(
    plane: &Plane,
    inventory: &[ObjectRef],
    kinds: &mut HashMap<(String, String), Known>,
) -> Result<(), Later> {
    for reference in inventory {
        let key = (reference.api_version(), reference.kind.clone());
        if !kinds.contains_key(&key)
            && let Some(known) =
                found(plane.kind_of_any_version(&reference.group, &reference.version, &reference.kind).await)?
        {
            kinds.insert(key, known);
        }
    }
    Ok(())
}

fn ground(control: &Control, release: &Release) -> Ground {
    let namespace = &release.place.namespace;
    let place = |name: &str| Place { namespace: namespace.clone(), name: name.to_owned() };
    let environment = control.store.environment(&place(&release.environment));
    let (view, has_project) = control.store.with_world(namespace, |world| {
        let view = world.environments.get(&release.environment).cloned();
        (view, world.projects.contains_key(&release.owner.project_name))
    });
    let fence =
        view.as_ref().map(|view| Fence::new(view, namespace, &release.owner.project_name, &release.environment));
    let account = view.as_ref().and_then(|view| view.service_account.clone());
    let mut blocked = if !has_project {
        Some(namespace::missing(Kind::Project, &place(&release.owner.project_name)))
    } else if environment.is_none() {
        Some(namespace::missing(Kind::Environment, &place(&release.environment)))
    } else {
        elsewhere(release, environment.as_ref()).or_else(|| identity(control, view.as_ref(), fence.as_ref()))
    };
    let as_ourselves = || control.planes.own();
    let plane = match account.filter(|_| blocked.is_none()) {
        None => as_ourselves(),
        Some(account) => control.planes.acting_as(&account).unwrap_or_else(|message| {
            blocked = Some(Blocked { reason: "ServiceAccountInvalid", message });
            as_ourselves()
        }),
    };
    Ground { plane, fence, environment, blocked }
}

/// Objects that belong into another cluster must not end up in this one.
fn elsewhere(release: &Release, environment: Option<&Environment>) -> Option<Blocked> {
    let message = match (&release.other_plane, environment.and_then(|environment| environment.data_plane.as_ref())) {
        (Some(plane), _) => format!("its target is the {plane}, and this controller applies to the data plane only"),
        (None, Some(plane)) => format!(
            "Environment {} lives in DataPlane {plane}, and this controller applies to its own cluster only: leave dataPlaneRef out",
            release.environment
        ),
        (None, None) => return None,
    };
    Some(Blocked { reason: "DataPlaneNotSupported", message })
}

/// Whether the account that acts in an environment is one of its own.
fn identity(control: &Control, view: Option<&EnvironmentView>, fence: Option<&Fence>) -> Option<Blocked> {
    let account = view.and_then(|view| view.service_account.as_deref());
    let message = match account {
        None if !control.args.require_service_account => return None,
        None => {
            format!("the Environment names no account in {}, and this controller demands one", names::SERVICE_ACCOUNT)
        }
        Some(account) => {
            let namespace = account.split_once('/').map_or("", |(namespace, _)| namespace);
            let own = |fence: &Fence| fence.namespaces().iter().any(|own| own == namespace);
            if fence.is_some_and(own) && !is_forbidden_namespace(namespace) {
                return None;
            }
            format!("{} names {account}, which is not in a namespace of the Environment", names::SERVICE_ACCOUNT)
        }
    };
    Some(Blocked { reason: "ServiceAccountOutside", message })
}

/// Where objects without a namespace went while there was an Environment to say so.
fn was_default(release: &Release) -> String {
    let silent = |id: &str| {
        let object = release.resources.iter().find(|(known, _)| known == id).map(|(_, object)| object);
        object.is_some_and(|object| object.pointer("/metadata/namespace").is_none())
    };
    let resources = release.status.resources.iter().filter(|resource| silent(&resource.id));
    resources.filter_map(|resource| resource.namespace.clone()).next().unwrap_or_default()
}

type Built = (Vec<Planned>, HashMap<(String, String), Known>);

async fn build(release: &Release, ground: &Ground, default_namespace: &str) -> Result<Built, Later> {
    let origin = Origin {
        uid: &release.uid,
        name: &release.place.name,
        namespace: &release.place.namespace,
        restarted_at: release.restarted_at.as_deref(),
        default_namespace,
    };
    let mut objects = Vec::with_capacity(release.resources.len());
    let mut kinds = HashMap::new();
    for (id, object) in release.resources.iter() {
        objects.push(one(id, object, &origin, &ground.plane, &mut kinds).await?);
    }
    Ok((objects, kinds))
}

async fn one(
    id: &str,
    object: &Value,
    origin: &Origin<'_>,
    plane: &Plane,
    kinds: &mut HashMap<(String, String), Known>,
) -> Result<Planned, Later> {
    let refused = |reference, why| Planned::Refused { id: id.to_owned(), reference, why };
    let Some(guess) = reference(object, Scope::Namespaced, origin.default_namespace) else {
        let nothing = ObjectRef {
            group: String::new(),
            version: "v1".into(),
            kind: "Object".into(),
            namespace: None,
            name: id.to_owned(),
        };
        return Ok(refused(nothing, "it has no apiVersion, kind and metadata.name".to_owned()));
    };
    let Some(known) = found(plane.kind(&guess.group, &guess.version, &guess.kind).await)? else {
        let why = format!(
            "the cluster does not serve {} {}: install its CustomResourceDefinition, and it is applied",
            guess.api_version(),
            guess.kind
        );
        return Ok(refused(guess, why));
    };
    kinds.insert((guess.api_version(), guess.kind.clone()), known.clone());
    match desired(id, object, known.scope, origin) {
        Some(desired) => Ok(Planned::Known { desired: Arc::new(desired), resource: known.resource }),
        None => Ok(refused(guess, "its metadata is no object".to_owned())),
    }
}

fn found(known: Result<Known, Unknown>) -> Result<Option<Known>, Later> {
    match known {
        Ok(known) => Ok(Some(known)),
        Err(Unknown::NotServed) => Ok(None),
        Err(Unknown::Failed(error)) => Err(Later { why: error.to_string(), wait: None }),
    }
}

/// The namespaces that objects go to, made where they are missing.
async fn namespaces(
    control: &Control,
    release: &Release,
    plan: &Plan,
    fence: &Fence,
    environment: Option<&Environment>,
) -> Result<Option<Blocked>, Later> {
    let owners = Owners {
        control: &release.place.namespace,
        project: &release.owner.project_name,
        environment: &release.environment,
        environment_uid: environment.map_or("", |environment| &environment.uid),
    };
    let mut names: Vec<&str> = plan.known().filter_map(|(desired, _)| desired.reference.namespace.as_deref()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        if let Some(blocked) = namespace::ensure(&control.planes.own(), &control.store, name, fence, &owners).await? {
            return Ok(Some(blocked));
        }
    }
    Ok(None)
}

impl Plan {
    /// The objects that can be applied.
    pub(super) fn known(&self) -> impl Iterator<Item = (&Arc<Desired>, &ApiResource)> {
        self.objects.iter().filter_map(|planned| match planned {
            Planned::Known { desired, resource } => Some((desired, resource)),
            Planned::Refused { .. } => None,
        })
    }

    /// Whether an object cannot be applied.
    pub(super) fn is_refused(&self) -> bool {
        self.objects.iter().any(|planned| matches!(planned, Planned::Refused { .. }))
    }

    /// Each object that can be applied passes `judge`, or is refused with what that says.
    pub(super) fn refuse(&mut self, judge: impl Fn(&Desired, &ApiResource) -> Option<String>) {
        for planned in &mut self.objects {
            let Planned::Known { desired, resource } = planned else { continue };
            if let Some(why) = judge(desired, resource) {
                let (id, reference) = (desired.id.clone(), desired.reference.clone());
                *planned = Planned::Refused { id, reference, why };
            }
        }
    }

    fn fence_in(&mut self, fence: &Fence) {
        let kinds = std::mem::take(&mut self.kinds);
        self.refuse(|desired, _| {
            let at = &desired.reference;
            let scope = kinds.get(&(at.api_version(), at.kind.clone())).map(|known| known.scope);
            fence.outside(&at.group, &at.kind, scope, at.namespace.as_deref()).map(|outside| outside.message)
        });
        self.kinds = kinds;
    }

    /// What has to be watched for these objects and for what was applied before.
    fn watched(&self, inventory: &[ObjectRef]) -> Vec<Watched> {
        // What cannot be applied now is looked at only where it was applied before.
        let planned = self.known().filter(|_| self.blocked.is_none());
        let planned = planned.map(|(desired, resource)| (resource, &desired.reference));
        let before = inventory.iter().filter_map(|reference| {
            Some((&self.kinds.get(&(reference.api_version(), reference.kind.clone()))?.resource, reference))
        });
        let mut all = Vec::new();
        let mut add = |watched: Watched| {
            if !all.contains(&watched) {
                all.push(watched);
            }
        };
        for (resource, reference) in planned.chain(before) {
            let namespace = &reference.namespace;
            add(Watched { subject: Subject::Objects(resource.clone()), namespace: namespace.clone() });
            for subject in around(&reference.group, &reference.kind) {
                add(Watched { subject: subject.clone(), namespace: namespace.clone() });
            }
        }
        all
    }

    /// Watches what concerns a Release. Objects that nobody could watch are refused: what became of them would never be known.
    ///
    /// # Errors
    /// The API server does not answer.
    pub(super) async fn watch(&mut self, release: &Release) -> Result<(), Later> {
        let task = Task::Release(release.place.clone());
        let unseen = self.plane.watch(&release.uid, &task, &self.watched(&release.status.inventory)).await?;
        if !unseen.is_empty() {
            self.refuse(|desired, resource| {
                let namespace = desired.reference.namespace.clone();
                let watched = Watched { subject: Subject::Objects(resource.clone()), namespace };
                unseen
                    .get(&watched)
                    .map(|why| format!("{watched} cannot be watched, so nothing is applied there: {why}"))
            });
        }
        self.unseen = unseen;
        Ok(())
    }

    /// Why nobody can say whether an object is there.
    pub(super) fn why_unseen(&self, reference: &ObjectRef) -> Option<&str> {
        let known = self.kinds.get(&(reference.api_version(), reference.kind.clone()))?;
        let subject = Subject::Objects(known.resource.clone());
        let watched = Watched { subject, namespace: reference.namespace.clone() };
        self.unseen.get(&watched).map(String::as_str)
    }

    /// Whether it is part of what is wanted, whether it can be applied or not.
    pub(super) fn wants(&self, reference: &ObjectRef) -> bool {
        self.objects.iter().any(|planned| match planned {
            Planned::Known { desired, .. } => desired.reference.is_same_as(reference),
            Planned::Refused { reference: refused, .. } => refused.is_same_as(reference),
        })
    }
}

impl Planned {
    /// The id of the resource.
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Known { desired, .. } => &desired.id,
            Self::Refused { id, .. } => id,
        }
    }

    /// What and where it is.
    pub(super) fn reference(&self) -> &ObjectRef {
        match self {
            Self::Known { desired, .. } => &desired.reference,
            Self::Refused { reference, .. } => reference,
        }
    }

    /// Which object it is.
    pub(super) fn identity(&self) -> Identity {
        Identity::from(self.reference())
    }
}

/// What is looked at around objects of a kind.
fn around(group: &str, kind: &str) -> &'static [Subject] {
    match (group, kind) {
        ("apps", "Deployment") => &[Subject::Pods, Subject::ReplicaSets, Subject::Warnings],
        ("apps", "ReplicaSet" | "StatefulSet" | "DaemonSet") | ("batch", "Job" | "CronJob") | ("", "Pod") => {
            &[Subject::Pods, Subject::Warnings]
        }
        _ => &[],
    }
}
