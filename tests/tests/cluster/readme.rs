//! The README's first release: each command is run, and what it prints is what stands there.

use anyhow::{Context, ensure};
use release_tests::{Namespace, fixture, programs, trials};

trials! { the_readmes_first_release_is_real }

const SECTION: &str = "## A first release in five commands";

fn the_readmes_first_release_is_real(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::installation()?;
    let readme = std::fs::read_to_string(programs::repository().join("README.md")).context("reading README.md")?;
    let (_, section) = readme.split_once(SECTION).context("README.md has no first release")?;
    let section = section.split("\n## ").next().unwrap_or_default();
    let commands = commands(section);
    ensure!(commands.len() == 5, "the README promises five commands and has {}", commands.len());
    for (command, documented) in commands {
        let line = format!("exec 2>&1\n{command}");
        let shell = namespace.cli("sh").folder(programs::repository()).args(["-c", &line]);
        let told = shell.run().expect_code(0);
        let printed = normal(&as_on_a_terminal(told.stdout()));
        ensure!(
            printed == normal(&documented),
            "README.md is not what is printed\n{told}\nwithout times:\n{printed}\n{}",
            normal(&documented)
        );
    }
    Ok(())
}

/// The commands of the section that are kubectl's, each with the output below it.
fn commands(section: &str) -> Vec<(String, String)> {
    let blocks = section.split("```console\n").skip(1).filter_map(|block| block.split("```").next());
    let mut commands: Vec<(String, String)> = Vec::new();
    for block in blocks {
        let mut open = false;
        for line in block.lines() {
            match line.strip_prefix("$ ") {
                Some(command) => {
                    commands.push((command.to_owned(), String::new()));
                    open = command.ends_with('\\');
                }
                None => {
                    let Some((command, output)) = commands.last_mut() else { continue };
                    let part = if open { command } else { output };
                    part.push('\n');
                    part.push_str(line);
                    open = open && line.ends_with('\\');
                }
            }
        }
    }
    commands.retain(|(command, _)| command.starts_with("kubectl release"));
    commands
}

/// Progress is one line that is written anew on a terminal: the last of them is what stays. Elsewhere there is a line a change.
fn as_on_a_terminal(text: &str) -> String {
    let place = |line: &str| Some(line.split_once(": revision ")?.0.to_owned());
    let lines: Vec<_> = text.lines().collect();
    let next = lines.iter().skip(1).map(|line| place(line)).chain([None]);
    let stays = lines.iter().zip(next).filter(|(line, next)| place(line).is_none() || place(line) != *next);
    stays.map(|(line, _)| format!("{line}\n")).collect()
}

/// Words without line breaks and widths, and without times and ages.
fn normal(text: &str) -> String {
    let word = |word: &str| {
        let is_time = word.len() == 20 && word.ends_with('Z') && word.contains('T');
        let is_age = word.strip_suffix('s').is_some_and(|number| number.bytes().all(|c| c.is_ascii_digit()));
        if is_time || is_age { "TIME".to_owned() } else { word.to_owned() }
    };
    text.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}
