//! The rules are written down several times: in Rust, as schemas, and as policies. Here they are held against each other by one corpus
//! of objects, and `docs/rules.md` says where each rule holds.

mod answer;
mod compare;
mod lint;
mod table;
mod world;

use std::collections::BTreeMap;

use anyhow::ensure;
use release_shared::validate::{Change, validate};
use release_shared::violation::Violation;
use release_tests::corpus::{self, Case, codes_of};
use release_tests::fixture::{self, Stage};
use release_tests::{Namespace, trials};

use self::answer::{Answer, By};
use self::table::Seen;
use super::objects::created;
use super::person::Person;

trials! { admission: every_rule_holds_where_it_is_said }

/// The most differences that are shown.
const SHOWN: usize = 40;

/// What was seen of each code.
type Table = BTreeMap<&'static str, Seen>;

fn every_rule_holds_where_it_is_said(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let (now, oldest) = (Stage::Policies.control_plane()?, Stage::Oldest.control_plane()?);
    let [now, oldest] = [now, oldest].map(|control_plane| Namespace::create(control_plane, "rules_agree"));
    let (now, oldest) = (now?, oldest?);
    let cases = corpus::all();
    let rules: Vec<_> = cases.iter().map(|case| case.violations(None, None)).collect();
    let mut table = Table::new();
    let mut differences = by_api_server(&cases, &rules, [&now, &oldest], &mut table)?;
    differences.extend(by_webhook(&cases, namespace, &mut table)?);
    differences.extend(in_a_world([&now, &oldest], &mut table)?);
    for code in lint::codes(namespace)? {
        table.entry(code).or_default().lint = true;
    }
    differences.extend(table::compare(&table)?);
    let shown: Vec<_> = differences.iter().take(SHOWN).map(String::as_str).collect();
    ensure!(differences.is_empty(), "{} differences\n{}", differences.len(), shown.join("\n"));
    Ok(())
}

/// The corpus on API servers without the webhook, of this version and of the oldest.
fn by_api_server(
    cases: &[Case],
    rules: &[Vec<Violation>],
    [now, oldest]: [&Namespace<'_>; 2],
    table: &mut Table,
) -> anyhow::Result<Vec<String>> {
    let (now, then) = (answer::answers(now, cases)?, answer::answers(oldest, cases)?);
    let mut differences = Vec::new();
    for (((case, violations), now), then) in cases.iter().zip(rules).zip(&now).zip(&then) {
        differences.extend(compare::versions(case, now, then));
        differences.extend(compare::with_rules(case, violations, now));
        count(case, violations, now, table);
    }
    Ok(differences)
}

/// Counts an object that has one fault.
fn count(case: &Case, violations: &[Violation], answer: &Answer, table: &mut Table) {
    let codes = codes_of(violations);
    for code in &codes {
        table.entry(code).or_default().kinds.insert(case.kind.as_str());
    }
    let [code] = codes.into_iter().collect::<Vec<_>>()[..] else { return };
    let seen = table.entry(code).or_default();
    let by = answer.as_ref().map(|refusal| &refusal.by);
    let in_schema = matches!(by, Some(By::Schema | By::Decoder | By::Store));
    let in_policy = matches!(by, Some(By::Policy(_)));
    for (share, is_refused) in [(&mut seen.schema, in_schema), (&mut seen.policy, in_policy)] {
        let names = if is_refused { &mut share.refused } else { &mut share.accepted };
        names.push(case.name.clone());
    }
    if let Some(By::Policy(name)) = by {
        seen.policies.insert(name.clone());
    }
}

/// The corpus with the webhook in its path, in a project that refers to nothing that is missing.
fn by_webhook(cases: &[Case], namespace: &Namespace<'_>, table: &mut Table) -> anyhow::Result<Vec<String>> {
    let furniture = world::furniture("warn");
    let admin = Person::admin(namespace);
    furniture.iter().for_each(|object| drop(created(&admin, object)));
    let known = world::known(namespace.name(), &furniture);
    let answers = answer::answers(namespace, cases)?;
    let mut differences = Vec::new();
    for (case, answer) in cases.iter().zip(&answers) {
        let violations = case.violations(Some(&known), Some("admin"));
        let rules = validate_alone(case, &known);
        differences.extend(compare::with_webhook(case, &violations, &rules, answer));
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
    Ok(differences)
}

/// What the rules say without what the API server would add.
fn validate_alone(case: &Case, world: &release_shared::world::World) -> Vec<Violation> {
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
fn in_a_world([now, oldest]: [&Namespace<'_>; 2], table: &mut Table) -> anyhow::Result<Vec<String>> {
    let namespace = Namespace::create(Stage::Admission.control_plane()?, "rules_agree_in_a_world")?;
    let [admin, admin_now, admin_oldest] = [&namespace, now, oldest].map(Person::admin);
    let pin = world::furnish(&admin);
    world::furnish(&admin_now);
    world::furnish(&admin_oldest);
    let mut differences = Vec::new();
    for case in world::cases(&pin) {
        match world::ask(&admin, &case) {
            Ok(said) => table.entry(case.code).or_default().webhook = Some(said),
            Err(error) => differences.push(format!("{error:?}")),
        }
        let [newest, oldest] = [&admin_now, &admin_oldest].map(|admin| case.wrong.answer(admin));
        let seen = table.entry(case.code).or_default();
        seen.kinds.insert(case.wrong.kind().as_str());
        let by = |answer: &Answer| answer.as_ref().map(|refusal| refusal.by.clone());
        if by(&newest) != by(&oldest) {
            differences.push(format!("{}: the newest version says {newest:?}, the oldest {oldest:?}", case.code));
        }
        if let Some(refusal) = case.fine.answer(&admin_now) {
            differences.push(format!("what comes close to {} is refused: {refusal}", case.code));
        }
        if let Some(line) = case.line {
            match world::plugin_refuses(&admin, &case, line) {
                Ok(()) => seen.before = true,
                Err(error) => differences.push(format!("{error:?}")),
            }
        }
    }
    Ok(differences)
}
