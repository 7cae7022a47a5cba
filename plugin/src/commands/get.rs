//! `get`: the manifests that a pin, or a revision of it, renders to.

mod files;

use release_shared::yaml;
use serde_json::Value;

use crate::args::{Get, PlainFormat};
use crate::cluster::Cluster;
use crate::error::Error;
use crate::objects::{Discovery, reference};
use crate::pinned::{Pinned, Rendered, Subject};
use crate::print::{line, list, note, raw, reference_name, structured};

pub(super) async fn run(cluster: &Cluster, args: &Get) -> Result<(), Error> {
    let mut rendered = rendered(cluster, args).await?;
    let discovery = Discovery::read(cluster, rendered.unknown_scopes()).await?;
    rendered.fill_namespaces(&discovery);
    if rendered.undeployed {
        note(&format!("Note: {} is undeployed: these objects are not meant to be live", rendered.label));
    }
    if let Some(folder) = &args.output_dir {
        return files::write(folder, &rendered);
    }
    let objects: Vec<_> = rendered.objects.into_iter().map(|resource| resource.object).collect();
    match args.output {
        PlainFormat::Name => objects.iter().try_for_each(|object| line(&name(object))),
        PlainFormat::Yaml => raw(&documents(&objects)),
        PlainFormat::Json => structured(&list(&objects), args.output.into()),
    }
}

async fn rendered(cluster: &Cluster, args: &Get) -> Result<Rendered, Error> {
    match Subject::parse(&args.component, args.environment.as_deref())? {
        Subject::Pin { component, environment } => {
            Pinned::read(cluster, component, environment).await?.render(cluster, args.revision).await
        }
        Subject::Release(name) if args.revision.is_some() => {
            Err(Error::Usage(format!("Release {name} has the objects of today only: leave --revision out")))
        }
        Subject::Release(name) => Rendered::of_release(cluster, name).await,
    }
}

fn name(object: &Value) -> String {
    let object = reference(object);
    reference_name(&object.group, Some(&object.kind), Some(&object.name))
}

fn documents(objects: &[Value]) -> String {
    objects.iter().map(yaml::write).collect::<Vec<_>>().join("---\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_are_read_back_as_the_same_objects() {
        let objects = [
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "---\nkind: Secret\n"}}),
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "b"}}),
        ];
        let read = yaml::read(&documents(&objects)).unwrap();
        assert_eq!(read.into_iter().map(|document| document.value).collect::<Vec<_>>(), objects);
        assert_eq!(objects.each_ref().map(name), ["configmap/a", "deployment.apps/b"]);
    }
}
