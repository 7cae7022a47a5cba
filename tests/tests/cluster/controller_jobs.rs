//! Jobs: they cannot be changed, and run once.

use anyhow::ensure;
use release_tests::{Namespace, fixture, trials};
use serde_json::Value;

use super::audit;
use super::live::{
    condition, config_map, direct, generated, job, said, until_condition, until_gone, until_live, until_ready,
    with_objects, within,
};
use super::objects::{Shop, created, with};

trials! {
    a_finished_job_with_another_template_is_replaced,
    a_job_that_went_by_its_own_time_is_not_run_again,
    the_refusal_for_an_unfinished_job_is_told,
}

/// kwok ends the pods of Jobs well, after a moment.
const WELL: &str = "shop:1";
/// kwok plays this one for ever.
const ENDLESS: &str = "shop:1-never-ready";

fn is_complete(job: &Value) -> bool {
    let conditions = job["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().any(|condition| condition["type"] == "Complete" && condition["status"] == "True")
}

fn lasting(job: &Value, seconds: u32) -> Value {
    with(job, |job| job["spec"]["ttlSecondsAfterFinished"] = seconds.into())
}

/// Whether it removes itself some day must make no difference.
fn a_finished_job_with_another_template_is_replaced(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let jobs = |image: &str| [job("plain", image), lasting(&job("lasting", image), 3600)];
    let web = created(&shop.jane, &direct("web-direct", &jobs(WELL)));
    let live = generated(namespace, "dev");
    let places = ["plain", "lasting"].map(|name| within(&live, &job(name, "")));
    let mut first = Vec::new();
    for place in &places {
        first.push(until_live(&shop.admin, place, is_complete)?);
    }
    let web = until_ready(&shop.jane, &web)?;

    let changed = shop.jane.replace(&with_objects(&web, &jobs("shop:2"))).unwrap();
    for (place, first) in places.iter().zip(&first) {
        let is_new =
            |job: &Value| job["spec"]["template"]["spec"]["containers"][0]["image"] == "shop:2" && is_complete(job);
        let second = until_live(&shop.admin, place, is_new)?;
        assert_ne!(second["metadata"]["uid"], first["metadata"]["uid"]);
    }
    until_ready(&shop.jane, &changed)?;
    // Once each, and the pods of the first went with it.
    let written = audit::writes(namespace, &[&live], "")?.iter().map(ToString::to_string).collect::<Vec<_>>();
    for name in ["plain", "lasting"] {
        let count = |verb: &str| written.iter().filter(|line| **line == format!("{verb} jobs {name}")).count();
        assert_eq!((count("patch"), count("delete")), (2, 1), "{written:#?}");
    }
    let pods = || shop.admin.kubectl(["get", "pods", "-n", &live, "-o", "name"]).run().expect_code(0);
    release_tests::wait::until("the first pods are gone", super::live::LIMIT, || {
        Ok((pods().stdout().lines().count() == 2).then_some(()))
    })
}

fn a_job_that_went_by_its_own_time_is_not_run_again(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let passing = lasting(&job("migrate", WELL), 2);
    let web = created(&shop.jane, &direct("web-direct", &[config_map("web", "small"), passing.clone()]));
    let live = generated(namespace, "dev");
    let place = within(&live, &passing);
    until_live(&shop.admin, &place, is_complete)?;
    until_gone(&shop.admin, &place)?;

    // What makes the controller look again, and is seen to have done so.
    shop.admin.delete(&within(&live, &config_map("web", ""))).unwrap();
    until_live(&shop.admin, &within(&live, &config_map("web", "")), |_| true)?;
    let told = until_ready(&shop.jane, &web)?;
    let runs =
        |count: usize| move |all: &[String]| all.iter().filter(|line| *line == "patch jobs migrate").count() == count;
    ensure!(runs(1)(&audit::written(namespace, &[&live], "", |all| all.len() >= 3)?), "it was run again");
    let migrate = said(&told, "job-migrate");
    ensure!(is_complete(migrate), "how it ended is forgotten: {migrate:#}");
    assert_eq!(migrate["healthStatus"], "Healthy");

    // A change of the release is another revision of it, and that runs its Jobs.
    let next = shop.jane.replace(&with_objects(&told, &[config_map("web", "large"), passing])).unwrap();
    audit::written(namespace, &[&live], "", runs(2))?;
    until_gone(&shop.admin, &place)?;
    until_ready(&shop.jane, &next)?;
    Ok(())
}

fn the_refusal_for_an_unfinished_job_is_told(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let web = created(&shop.jane, &direct("web-direct", &[job("migrate", ENDLESS)]));
    let live = within(&generated(namespace, "dev"), &job("migrate", ""));
    let first = until_live(&shop.admin, &live, |job| job["status"]["active"] == 1)?;
    let changed = shop.jane.replace(&with_objects(&shop.jane.get(&web).unwrap(), &[job("migrate", WELL)])).unwrap();
    let told = until_condition(&shop.jane, &changed, "ResourcesApplied", "ApplyFailed")?;
    let [_, _, message] = condition(&told, "ResourcesApplied");
    ensure!(message.contains("Job.batch \"migrate\" is invalid: spec.template: Invalid value: "), "{message}");
    ensure!(message.contains("field is immutable"), "{message}");
    let still = shop.admin.get(&live).unwrap();
    assert_eq!(still["metadata"]["uid"], first["metadata"]["uid"], "what runs is not ended");

    // Whoever ends it lets the new one run.
    shop.admin.kubectl(["delete", "job", "migrate", "-n", &generated(namespace, "dev")]).run().expect_code(0);
    until_live(&shop.admin, &live, is_complete)?;
    until_ready(&shop.jane, &changed)?;
    Ok(())
}
