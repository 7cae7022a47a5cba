//! Whether a release may go where it is meant to go: the paths of its pipeline, and what has run healthily.

use crate::kinds::Owner;
use crate::pipeline::Graph;
use crate::world::World;

/// Whether a release may be pinned in an environment, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Eligibility {
    /// The environment is where releases enter.
    Root,
    /// It has run healthily in this environment, which leads there or is the same.
    Ran(String),
    /// It must first run healthily in one of these.
    NotYet(Vec<String>),
    /// The pipeline does not have the environment; these it has.
    NotInPipeline(Vec<String>),
}

/// Whether `release` of `owner` may be pinned in `environment` by the paths of `graph`.
pub fn eligibility(graph: &Graph, world: &World, owner: &Owner, environment: &str, release: &str) -> Eligibility {
    if !graph.contains(environment) {
        return Eligibility::NotInPipeline(graph.environments().to_vec());
    }
    let sources = graph.sources(environment);
    if sources.is_empty() {
        return Eligibility::Root;
    }
    let past = |name: &str| world.binding(owner, name)?.1.past.as_ref();
    let ran = |name: &str| past(name).is_some_and(|past| past.healthy.contains(release));
    match sources.iter().copied().chain([environment]).find(|name| ran(name)) {
        Some(name) => Eligibility::Ran(name.to_owned()),
        None => Eligibility::NotYet(sources.into_iter().map(str::to_owned).collect()),
    }
}

/// Whether more may have run healthily where releases come to `environment` from than is kept of the bindings there.
pub fn may_have_run(graph: &Graph, world: &World, owner: &Owner, environment: &str) -> bool {
    let is_unknown = |name: &str| world.binding(owner, name).is_some_and(|(_, binding)| binding.past.is_none());
    graph.sources(environment).into_iter().chain([environment]).any(is_unknown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{BindingView, Past};

    fn line() -> Graph {
        Graph::new([("dev", vec!["staging"]), ("staging", vec!["production"])])
    }

    #[test]
    fn a_release_moves_on_where_it_has_run_healthily() {
        let owner = Owner { project_name: "shop".into(), component_name: "web".into() };
        let mut world = World::default();
        let binding = BindingView {
            owner: owner.clone(),
            environment: "dev".into(),
            release: Some("web-2".into()),
            past: Some(Past {
                needed: ["web-1", "web-2"].map(str::to_owned).into(),
                healthy: ["web-1".to_owned()].into(),
            }),
            health: None,
        };
        world.bindings.insert("web-dev", binding);
        let to = |environment: &str, release: &str| eligibility(&line(), &world, &owner, environment, release);
        assert_eq!(to("dev", "web-2"), Eligibility::Root);
        assert_eq!(to("staging", "web-1"), Eligibility::Ran("dev".into()));
        assert_eq!(to("staging", "web-2"), Eligibility::NotYet(vec!["dev".into()]));
        assert_eq!(to("production", "web-1"), Eligibility::NotYet(vec!["staging".into()]));
        assert!(matches!(to("elsewhere", "web-1"), Eligibility::NotInPipeline(_)));
    }
}
