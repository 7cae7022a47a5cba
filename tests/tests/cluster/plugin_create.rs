//! `create`: what is written, what is said, and that a refusal leaves nothing behind.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use release_tests::{Namespace, fixture, trials};
use serde_json::{Value, json};

use crate::cluster::project::{LIFT, MANIFESTS, Project, repository};

trials! {
    admission:
    the_whole_example_is_released_and_its_scripts_survive,
    the_same_again_writes_nothing,
    files_folders_and_kustomizations_are_the_same,
    manifests_are_read_from_the_web,
    formats_for_scripts,
    a_dry_run_leaves_nothing,
    a_refusal_leaves_nothing,
    known_content_has_one_version_and_a_version_one_content,
    a_project_is_needed_where_there_are_several,
    manifests_that_cannot_be_released,
    an_init_by_somebody_without_the_right_names_the_verb,
    an_init_changes_nothing_that_is_somebody_elses,
    two_first_releases_at_once_are_one,
}

fn the_whole_example_is_released_and_its_scripts_survive(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    let line = format!("create shop -f {} --version v1.4.0", repository("examples/shop"));
    project.dana(&line).run().expect_code(0).expect_stdout("is pinned in dev as revision 1, by dana@acme.example");
    let release: Value = project.dana_kubectl("get componentreleases -o json").run().expect_code(0).json();
    let release = &release["items"][0];
    let resources = release["spec"]["componentType"]["spec"]["resources"].as_array().cloned().unwrap_or_default();
    assert!(resources.len() > 20, "{}", resources.len());
    assert!(
        resources.iter().any(|resource| resource["id"] == "deployment"),
        "OpenChoreo wants an id that is the workload type"
    );
    let scripts = resources.iter().filter(|resource| resource["template"]["kind"] == "ConfigMap");
    assert!(scripts.map(Value::to_string).any(|script| script.contains(r#"${\"$\"}{"#)), "a literal is escaped");
    Ok(())
}

fn the_same_again_writes_nothing(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    project.release();
    let all =
        || project.dana_kubectl("get components,componentreleases,releasebindings -o json").run().stdout().to_owned();
    let before = all();
    let line = format!("create web -f - --version v1 --lift {LIFT} --reason again");
    project.dana(&line).stdin(MANIFESTS).run().expect_code(0).expect_stdout("nothing changes: dev runs web v1");
    let reordered: Vec<_> = MANIFESTS.rsplit("---\n").collect();
    project.dana(&line).stdin(reordered.join("---\n")).run().expect_code(0).expect_stdout("nothing changes");
    assert_eq!(all(), before);
    Ok(())
}

fn files_folders_and_kustomizations_are_the_same(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    project.dana("create web -f -").stdin(MANIFESTS).run().expect_code(0);
    let folder = tempfile::tempdir()?;
    fs::create_dir(folder.path().join("deeper"))?;
    fs::write(folder.path().join("deeper/all.yaml"), MANIFESTS)?;
    fs::write(folder.path().join("notes.txt"), "not a manifest")?;
    let path = folder.path().display();
    project.dana(&format!("create web -f {path}")).run().expect_code(1).expect_stderr("has no file that ends in .yaml");
    project.dana(&format!("create web -R -f {path}")).run().expect_code(0).expect_stdout("nothing changes");
    fs::write(folder.path().join("kustomization.yaml"), "resources: [deeper/all.yaml]\n")?;
    project.dana(&format!("create web -k {path}")).run().expect_code(0).expect_stdout("nothing changes");
    project.dana("create web -f /nowhere.yaml").run().expect_code(1).expect_stderr("/nowhere.yaml cannot be read");
    Ok(())
}

fn manifests_are_read_from_the_web(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    let server = TcpListener::bind("127.0.0.1:0")?;
    let base = format!("http://{}", server.local_addr()?);
    let serving = thread::spawn(move || server.incoming().take(2).try_for_each(|client| answer(client?)));
    project.dana(&format!("create web -f {base}/web.yaml")).run().expect_code(0).expect_stdout("is pinned in dev");
    project
        .dana(&format!("create web -f {base}/nothing"))
        .run()
        .expect_code(1)
        .expect_stderr("the server answered 404");
    serving.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    Ok(())
}

/// One request, and then the connection is over.
fn answer(mut client: TcpStream) -> std::io::Result<()> {
    let mut request = String::new();
    BufReader::new(&client).read_line(&mut request)?;
    let (status, body) =
        if request.starts_with("GET /web.yaml ") { ("200 OK", MANIFESTS) } else { ("404 Not Found", "") };
    write!(client, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

fn formats_for_scripts(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    let written: Value = project.dana("create web -f - -o json").stdin(MANIFESTS).run().expect_code(0).json();
    let kinds: Vec<_> = written["items"].as_array().into_iter().flatten().map(|item| item["kind"].clone()).collect();
    assert_eq!(kinds, [json!("Component"), json!("ComponentRelease"), json!("ReleaseBinding")]);
    let names = project.dana("create web -f - -o name").stdin(MANIFESTS).run().expect_code(0);
    assert!(names.stdout().ends_with("releasebinding.openchoreo.dev/web-dev\n"), "{names}");
    project
        .dana("create web -f - -o yaml --image registry.example/web=registry.example/web:2 --dry-run")
        .stdin(MANIFESTS)
        .run()
        .expect_stdout("image: registry.example/web:2");
    Ok(())
}

fn a_dry_run_leaves_nothing(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    for (flag, said) in [("--dry-run=client", "created (dry run)"), ("--dry-run=server", "created (server dry run)")] {
        let told =
            project.dana(&format!("create web -f - {flag}")).stdin(MANIFESTS).run().expect_code(0).expect_stdout(said);
        assert!(told.stdout().contains("would be pinned in dev"), "{told}");
    }
    nothing_is_there(&project);
    project.release();
    let second = MANIFESTS.replace("web:1", "web:2");
    let changed = project.dana("create web -f - --dry-run=server").stdin(second).run().expect_code(0);
    assert!(
        changed.stdout().contains("releasebinding.openchoreo.dev/web-dev configured (server dry run)"),
        "{changed}"
    );
    assert_eq!(changed.stderr(), "", "what the command would make is not missing");
    Ok(())
}

fn nothing_is_there(project: &Project<'_>) {
    let left = project.dana_kubectl("get components,componentreleases,releasebindings -o name").run().expect_code(0);
    assert_eq!(left.stdout(), "");
}

/// Somebody who may write components and releases, but no pins.
fn a_refusal_leaves_nothing(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    let rules = ["--verb=create,get,list", "--resource=components.openchoreo.dev,componentreleases.openchoreo.dev"];
    namespace.kubectl(["create", "role", "cutter"]).args(rules).run().expect_code(0);
    namespace
        .kubectl("create rolebinding cutter --role=cutter --user=carl@acme.example".split(' '))
        .run()
        .expect_code(0);
    let carl = namespace.user("carl@acme.example", &["release-viewer"])?;
    let create = namespace.release(["create", "web", "-f", "-"]).user(&carl).stdin(MANIFESTS);
    create.run().expect_code(3).expect_stderr("cannot patch resource \"releasebindings\"");
    nothing_is_there(&project);
    Ok(())
}

fn known_content_has_one_version_and_a_version_one_content(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    project.release();
    let again =
        project.dana(&format!("create web -f - --version v2 --lift {LIFT}")).stdin(MANIFESTS).run().expect_code(3);
    again.expect_stderr("which has version \"v1\" and cannot become \"v2\"");
    let other = MANIFESTS.replace("web:1", "web:2");
    let taken = project.dana("create web -f - --version v1").stdin(other).run().expect_code(3);
    taken.expect_stderr("version \"v1\" of web is release web-");
    Ok(())
}

fn a_project_is_needed_where_there_are_several(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    project.petra("init books --environments dev").run().expect_code(0);
    let unclear = project.dana("create web -f -").stdin(MANIFESTS).run().expect_code(1);
    unclear.expect_stderr("has several projects (books, shop): say which with --project");
    project.dana("create web -f - --project shop").stdin(MANIFESTS).run().expect_code(0);
    project.dana("create web -f -").stdin(MANIFESTS).run().expect_code(0);
    let other = project.dana("create web -f - --project books").stdin(MANIFESTS).run().expect_code(3);
    other.expect_stderr("web is a component of project \"shop\", not of \"books\"");
    Ok(())
}

fn manifests_that_cannot_be_released(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    let refused = |line: &str, manifests: &str, code: i32, why: &str| {
        project.dana(line).stdin(manifests).run().expect_code(code).expect_stderr(why);
    };
    refused("create web -f -", "a:\n\tb: c\n", 3, "standard input:2: a tab is used for indentation");
    refused("create web -f -", "", 3, "hold no objects to release");
    refused("create web -f - --image nothing=x:1", MANIFESTS, 3, "nothing");
    refused("create web -f - --lift a=Deployment/web:/spec/replica", MANIFESTS, 3, "replicas");
    refused("create web -f - --skip Secret/none", MANIFESTS, 3, "Secret/none");
    refused(
        "create web -f - --to production",
        MANIFESTS,
        3,
        "releases do not enter pipeline shop in \"production\" but in dev",
    );
    refused("create Web -f -", MANIFESTS, 3, "is not a valid name");
    let large = format!(
        "{MANIFESTS}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: large}}\ndata: {{a: {}}}\n",
        "x".repeat(4 << 20)
    );
    refused("create web -f -", &large, 3, "the largest are configmap-large");
    nothing_is_there(&project);
    Ok(())
}

fn an_init_by_somebody_without_the_right_names_the_verb(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    project
        .dana("init other --environments elsewhere")
        .run()
        .expect_code(3)
        .expect_stderr("cannot patch resource \"environments\"");
    project
        .petra("init shop --environments dev,staging,production")
        .run()
        .expect_code(0)
        .expect_stdout("project.openchoreo.dev/shop unchanged");
    Ok(())
}

fn an_init_changes_nothing_that_is_somebody_elses(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    let init = |line: &str| project.petra(&format!("init {line}")).run();
    init("books --environments dev,live --production live")
        .expect_code(0)
        .expect_stdout("environment.openchoreo.dev/dev unchanged");
    init("maps --environments dev,live").expect_code(0).expect_stdout("environment.openchoreo.dev/live unchanged");
    let live: Value = project.dana_kubectl("get environment live -o json").run().expect_code(0).json();
    assert_eq!(live["spec"]["isProduction"], true);
    init("books --environments dev,live --reason again")
        .expect_code(0)
        .expect_stdout("deploymentpipeline.openchoreo.dev/books unchanged");
    init("books --environments dev,staging")
        .expect_code(3)
        .expect_stderr("deploymentpipeline.openchoreo.dev/books exists and would lead elsewhere");
    init("books --environments dev,staging --diff --dry-run=server").expect_code(0).expect_stdout("+    name: staging");
    init("books --environments dev,staging --yes")
        .expect_code(0)
        .expect_stdout("deploymentpipeline.openchoreo.dev/books configured");
    Ok(())
}

fn two_first_releases_at_once_are_one(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    let create = || project.dana("create web -f -").stdin(MANIFESTS).run();
    let outcomes: Vec<_> = thread::scope(|scope| {
        let running: Vec<_> = (0..4).map(|_| scope.spawn(create)).collect();
        running
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    for outcome in outcomes {
        outcome.expect_code(0);
    }
    let history: Value = project.dana("history web -o json").run().expect_code(0).json();
    assert_eq!(history["items"].as_array().map(Vec::len), Some(1), "{history:#}");
    Ok(())
}
