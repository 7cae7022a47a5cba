//! The rules are written down several times: in Rust, as schemas, and as policies. Here they are held against each other by one corpus
//! of objects, and `docs/rules.md` says where each rule holds.

mod answer;
mod compare;
mod lint;
mod report;
mod table;
mod world;

use std::collections::BTreeMap;
use std::thread;

use anyhow::anyhow;
use release_shared::kinds::Kind;
use release_shared::validate::{Change, standing, validate};
use release_shared::violation::{Findings, Violation};
use release_shared::world::World;
use release_tests::corpus::{self, Case, codes_of};
use release_tests::fixture::{self, Stage};
use release_tests::{Namespace, trials};
use serde_json::{Value, json};

use self::answer::{Answer, By};
use self::report::{Between, Difference};
use self::table::Seen;
use super::objects::created;
use super::person::Person;

trials! { admission: every_rule_holds_where_it_is_said }

/// What was seen of each code.
type Table = BTreeMap<&'static str, Seen>;

fn every_rule_holds_where_it_is_said(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let [now, oldest] = at_once([Stage::Policies, Stage::Oldest], namespace_on)?;
    let cases = corpus::all();
    let furniture = world::furniture("warn");
    let admin = Person::admin(namespace);
    furniture.iter().for_each(|object| drop(created(&admin, object)));
    let (answers, in_a_world) = thread::scope(|scope| {
        let in_a_world = scope.spawn(in_a_world);
        let answers = at_once([namespace, &now, &oldest], |namespace| answer::answers(namespace, &cases));
        (answers, in_a_world.join())
    });
    let [with_webhook, now, oldest] = answers?;
    let (mut differences, mut table) = in_a_world.map_err(|_| anyhow!("the cases with a world"))??;
    differences.extend(by_api_server(&cases, [&now, &oldest], &mut table));
    differences.extend(by_webhook(&cases, &world::known(namespace.name(), &furniture), &with_webhook, &mut table));
    match lint::codes(namespace) {
        Ok(codes) => codes.into_iter().for_each(|code| table.entry(code).or_default().lint = true),
        Err(error) => differences.push(Difference::new(Between::Lint, "", format!("{error:?}"))),
    }
    let drifted = table::compare(&table)?;
    differences.extend(drifted.into_iter().map(|text| Difference::new(Between::Table, "", text)));
    report::conclude(&differences)
}

fn namespace_on(stage: Stage) -> anyhow::Result<Namespace<'static>> {
    Namespace::create(stage.control_plane()?, "rules_agree")
}

/// Does the same for several, side by side.
fn at_once<T: Send, U: Send, const N: usize>(
    of: [T; N],
    make: impl Fn(T) -> anyhow::Result<U> + Sync,
) -> anyhow::Result<[U; N]> {
    let made: Vec<U> = thread::scope(|scope| {
        let make = &make;
        let running: Vec<_> = of.into_iter().map(|one| scope.spawn(move || make(one))).collect();
        running
            .into_iter()
            .map(|running| running.join().map_err(|_| anyhow!("a thread panicked"))?)
            .collect::<anyhow::Result<_>>()
    })?;
    made.try_into().map_err(|_| anyhow!("as many as were asked for"))
}

/// The corpus on API servers without the webhook, of this version and of the oldest.
fn by_api_server(cases: &[Case], [now, oldest]: [&[Answer]; 2], table: &mut Table) -> Vec<Difference> {
    let mut differences = Vec::new();
    for ((case, now), oldest) in cases.iter().zip(now).zip(oldest) {
        let violations = case.violations(None, None);
        differences.extend(compare::versions(case, now, oldest));
        differences.extend(compare::with_rules(case, &violations, now));
        count(case, &violations, now, table);
    }
    differences
}

/// Counts an object that has one fault.
fn count(case: &Case, violations: &[Violation], answer: &Answer, table: &mut Table) {
    let codes = codes_of(violations);
    for code in &codes {
        table.entry(code).or_default().kinds.insert(case.kind.as_str());
    }
    let [code] = codes.into_iter().collect::<Vec<_>>()[..] else { return };
    table.entry(code).or_default().count(&case.name, answer);
}

/// The corpus with the webhook in its path, in a project that refers to nothing that is missing.
fn by_webhook(cases: &[Case], known: &World, answers: &[Answer], table: &mut Table) -> Vec<Difference> {
    let mut differences = Vec::new();
    for (case, answer) in cases.iter().zip(answers) {
        let violations = case.violations(Some(known), Some("admin"));
        differences.extend(compare::with_webhook(case, &violations, || validate_alone(case, known), answer));
        renders_nothing(case.kind, &case.new, known)
            .for_each(|code| table.entry(code).or_default().renders_nothing = true);
        let Some(refusal) = answer.as_ref().filter(|refusal| refusal.by == By::Webhook) else { continue };
        let alone = codes_of(&violations).len() == 1;
        for code in codes_of(&violations) {
            let webhook = &mut table.entry(code).or_default().webhook;
            match alone {
                true => *webhook = Some(refusal.code.to_string()),
                false => drop(webhook.get_or_insert_with(|| "with others".to_owned())),
            }
        }
    }
    differences
}

/// Why the controller would not render a pin if it were stored all the same: it asks the same rules of what it knows of one.
fn renders_nothing(kind: Kind, object: &Value, known: &World) -> impl Iterator<Item = &'static str> {
    let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let seen = json!({ "metadata": { "name": name }, "spec": object["spec"] });
    let findings = if kind == Kind::ReleaseBinding { standing(kind, name, &seen, known) } else { Findings::none() };
    findings.violations.into_iter().chain(findings.missing).map(|violation| violation.code)
}

/// What the rules say without what the API server would add.
fn validate_alone(case: &Case, world: &World) -> Vec<Violation> {
    let change = Change {
        kind: case.kind,
        name: case.object_name(),
        new: &case.new,
        old: case.old.as_ref(),
        user: Some("admin"),
        manager: Some(corpus::MANAGER),
        now: None,
    };
    validate(&change, Some(world)).violations
}

/// The rules that need more than one object: with the webhook they hold, and what the API server keeps by itself is counted.
fn in_a_world() -> anyhow::Result<(Vec<Difference>, Table)> {
    let namespaces = at_once([Stage::Admission, Stage::Policies, Stage::Oldest], namespace_on)?;
    let [admin, admin_now, admin_oldest] = namespaces.each_ref().map(Person::admin);
    let pins = at_once([&admin, &admin_now, &admin_oldest], |admin| Ok(world::furnish(admin)))?;
    let [cases, cases_now, cases_oldest] = pins.each_ref().map(world::cases);
    let known = world::known(admin.namespace().name(), &world::furniture("enforce"));
    let mut table = Table::new();
    let mut differences = Vec::new();
    for ((case, case_now), case_oldest) in cases.into_iter().zip(cases_now).zip(cases_oldest) {
        match world::ask(&admin, &case) {
            Ok(said) => table.entry(case.code).or_default().webhook = Some(said),
            Err(error) => differences.push(Difference::new(Between::World, case.code, format!("{error:?}"))),
        }
        let (newest, oldest) = (case_now.wrong.answer(&admin_now), case_oldest.wrong.answer(&admin_oldest));
        let seen = table.entry(case.code).or_default();
        seen.count(case.code, &newest);
        seen.kinds.insert(case.wrong.kind().as_str());
        let by = |answer: &Answer| answer.as_ref().map(|refusal| refusal.by.clone());
        if by(&newest) != by(&oldest) {
            let text = format!("{}: the newest version says {newest:?}, the oldest {oldest:?}", case.code);
            differences.push(Difference::new(Between::Versions, case.code, text));
        }
        if let Some(refusal) = case_now.fine.answer(&admin_now) {
            let text = format!("what comes close to {} is refused: {refusal}", case.code);
            differences.push(Difference::new(Between::ApiServer, case.code, text));
        }
        seen.renders_nothing |=
            renders_nothing(case.wrong.kind(), &case.wrong.object(), &known).any(|code| code == case.code);
        if let Some(line) = case.line {
            match world::plugin_refuses(&admin, &case, line) {
                Ok(()) => seen.before = true,
                Err(error) => differences.push(Difference::new(Between::World, case.code, format!("{error:?}"))),
            }
        }
    }
    Ok((differences, table))
}
