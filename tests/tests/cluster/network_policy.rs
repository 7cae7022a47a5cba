//! Who may reach the webhook: the policy of `deploy/network-policy/` is for its pods and its ports, and is narrowed as docs/threats.md says.

use std::fs;

use anyhow::{Context, ensure};
use release_shared::yaml;
use release_tests::{Namespace, fixture, programs, trials};
use serde_json::{Value, json};

trials! {
    admission:
    the_network_policy_is_for_the_pods_and_ports_of_the_webhook,
    the_network_policy_is_narrowed_as_the_docs_say,
}

fn the_network_policy_is_for_the_pods_and_ports_of_the_webhook(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let folder = programs::repository().join("deploy/network-policy");
    let folder = folder.to_str().context("the repository has a strange name")?;
    let policy = built(namespace, folder)?;
    let get = ["get", "deployment", "release-webhook", "-n", "release-system", "-o", "json"];
    let deployment: Value = namespace.kubectl(get).run().expect_code(0).json();
    let template = &deployment["spec"]["template"];
    assert_eq!(policy["spec"]["podSelector"]["matchLabels"], template["metadata"]["labels"]);
    assert_eq!(policy["spec"]["policyTypes"], json!(["Ingress"]), "what it asks the API server and DNS goes out");
    let open = |rule: &Value| rule["ports"].as_array().into_iter().flatten().map(|port| port["port"].clone()).collect();
    let open: Vec<Vec<Value>> = policy["spec"]["ingress"].as_array().into_iter().flatten().map(open).collect();
    let listened = template["spec"]["containers"][0]["ports"].as_array().into_iter().flatten();
    assert_eq!(open.concat(), listened.map(|port| port["containerPort"].clone()).collect::<Vec<_>>());
    // Not a part of all that is installed: whoever wants it knows of their network.
    let all = programs::repository().join("deploy");
    let all = namespace.kubectl(["kustomize", all.to_str().unwrap_or_default()]).run().expect_code(0);
    ensure!(!all.stdout().contains("kind: NetworkPolicy"), "deploy/ has it");
    Ok(())
}

fn the_network_policy_is_narrowed_as_the_docs_say(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let repository = programs::repository();
    let docs = fs::read_to_string(repository.join("docs/threats.md")).context("reading docs/threats.md")?;
    let blocks = docs.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let kustomization = blocks.into_iter().find(|block| block.contains("kind: Kustomization"));
    let kustomization = kustomization.context("docs/threats.md has no kustomization")?;
    ensure!(kustomization.contains("- ../deploy/network-policy\n"), "{kustomization}");
    let folder = repository.join("target/network-policy").join(namespace.name());
    fs::create_dir_all(&folder)?;
    let from_there = kustomization.replace("../deploy", "../../../deploy");
    fs::write(folder.join("kustomization.yaml"), from_there)?;
    let policy = built(namespace, folder.to_str().context("the repository has a strange name")?);
    fs::remove_dir_all(&folder)?;
    let ingress = &policy?["spec"]["ingress"];
    assert_eq!(ingress[0]["from"], json!([{ "ipBlock": { "cidr": "10.0.0.0/28" } }]), "{ingress:#}");
    assert_eq!((&ingress[0]["ports"][0]["port"], &ingress[1]["ports"][0]["port"]), (&json!(9443), &json!(8081)));
    assert_eq!(
        ingress[1]["from"],
        json!([{ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "monitoring" } } }])
    );
    Ok(())
}

/// The one object of a kustomization, which the API server would take.
fn built(namespace: &Namespace<'_>, folder: &str) -> anyhow::Result<Value> {
    let built = namespace.kubectl(["kustomize", folder]).output()?.success()?;
    let mut documents = yaml::read(built.stdout()).context("kustomize writes strange YAML")?;
    let policy = documents.pop().context("it holds nothing")?.value;
    ensure!(documents.is_empty() && policy["kind"] == "NetworkPolicy", "{policy:#}");
    namespace.kubectl(["apply", "--server-side", "--dry-run=server", "-k", folder]).output()?.success()?;
    Ok(policy)
}
