//! The promotion graph: where a release enters, and where it may go next.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use serde_json::Value;

/// Whether a pipeline's paths are kept or only told about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Enforcement {
    /// What goes past them is admitted with a warning.
    #[default]
    Warn,
    /// What goes past them is refused.
    Enforce,
}

impl FromStr for Enforcement {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "warn" => Ok(Self::Warn),
            "enforce" => Ok(Self::Enforce),
            _ => Err(()),
        }
    }
}

/// The environments of a pipeline and the paths between them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    /// Environment → where a release may go from there. Every environment of the pipeline is a key.
    targets: BTreeMap<String, BTreeSet<String>>,
    /// The environments in the order in which the pipeline names them.
    order: Vec<String>,
}

impl Graph {
    /// A graph from paths, each a source and its targets.
    pub fn new<'a>(paths: impl IntoIterator<Item = (&'a str, Vec<&'a str>)>) -> Self {
        let mut graph = Self::default();
        for (source, targets) in paths {
            graph.add(source);
            for target in targets {
                graph.add(target);
                graph.targets.entry(source.to_owned()).or_default().insert(target.to_owned());
            }
        }
        graph
    }

    /// The graph of a DeploymentPipeline; both forms of a reference are read, and what is not well-formed is left out.
    pub fn read(pipeline: &Value) -> Self {
        fn name(reference: &Value) -> Option<&str> {
            reference.as_str().or_else(|| reference.get("name")?.as_str())
        }
        let paths = pipeline.pointer("/spec/promotionPaths").and_then(Value::as_array).into_iter().flatten();
        Self::new(paths.filter_map(|path| {
            let targets = path.get("targetEnvironmentRefs").and_then(Value::as_array).into_iter().flatten();
            Some((name(path.get("sourceEnvironmentRef")?)?, targets.filter_map(name).collect()))
        }))
    }

    fn add(&mut self, environment: &str) {
        if !self.targets.contains_key(environment) {
            self.targets.insert(environment.to_owned(), BTreeSet::new());
            self.order.push(environment.to_owned());
        }
    }

    /// The environments in the order in which the pipeline names them.
    pub fn environments(&self) -> &[String] {
        &self.order
    }

    /// Whether the pipeline has this environment.
    pub fn contains(&self, environment: &str) -> bool {
        self.targets.contains_key(environment)
    }

    /// Where a release enters: the environments that are nobody's target.
    pub fn roots(&self) -> Vec<&str> {
        self.order.iter().map(String::as_str).filter(|environment| self.sources(environment).is_empty()).collect()
    }

    /// Where a release may come from into `environment`.
    pub fn sources(&self, environment: &str) -> Vec<&str> {
        let leads_there = |source: &&String| self.targets[*source].contains(environment);
        self.order.iter().filter(leads_there).map(String::as_str).collect()
    }

    /// Where a release may go from `environment`.
    pub fn targets(&self, environment: &str) -> Vec<&str> {
        let targets = self.targets.get(environment);
        self.order
            .iter()
            .map(String::as_str)
            .filter(|name| targets.is_some_and(|targets| targets.contains(*name)))
            .collect()
    }

    /// The environments of a cycle, in order, where there is one.
    pub fn cycle(&self) -> Option<Vec<&str>> {
        let mut done = BTreeSet::new();
        self.order.iter().find_map(|start| self.cycle_from(start, &mut Vec::new(), &mut done))
    }

    fn cycle_from<'a>(
        &'a self,
        at: &'a str,
        path: &mut Vec<&'a str>,
        done: &mut BTreeSet<&'a str>,
    ) -> Option<Vec<&'a str>> {
        if let Some(start) = path.iter().position(|&seen| seen == at) {
            return Some(path[start..].to_vec());
        }
        if !done.insert(at) {
            return None;
        }
        path.push(at);
        let found = self.targets[at].iter().find_map(|next| self.cycle_from(next, path, done));
        path.pop();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Graph {
        Graph::new([("dev", vec!["staging"]), ("staging", vec!["production"])])
    }

    #[test]
    fn roots_sources_and_targets() {
        let graph = line();
        assert_eq!(graph.roots(), ["dev"]);
        assert_eq!(graph.targets("dev"), ["staging"]);
        assert_eq!(graph.sources("production"), ["staging"]);
        assert!(graph.sources("elsewhere").is_empty() && !graph.contains("elsewhere"));
        assert_eq!(Graph::new([("only", vec![])]).roots(), ["only"]);
    }

    #[test]
    fn cycles_are_found() {
        assert_eq!(line().cycle(), None);
        let graph = Graph::new([("a", vec!["b"]), ("b", vec!["c"]), ("c", vec!["b"])]);
        assert_eq!(graph.cycle(), Some(vec!["b", "c"]));
        assert_eq!(Graph::new([("a", vec!["a"])]).cycle(), Some(vec!["a"]));
    }
}
