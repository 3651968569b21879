//! Places in the checkout.

use std::path::{Path, PathBuf};

/// The folder of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this crate lies in the workspace")
}

/// A file or folder that the set-up installs.
pub(crate) fn installed(path: &str) -> PathBuf {
    let found = root().join(".tools").join(path);
    assert!(
        found.exists(),
        "{} is missing: run `make setup` (or `make setup-train` for the Python environment)",
        found.display()
    );
    found
}

/// A program of this workspace, built in the profile of the tests. Cargo builds it with the workspace (`make build`),
/// not with a single test, so only tests of the programs themselves use it.
pub(crate) fn program(name: &str) -> PathBuf {
    built(name, "make build")
}

/// A program of the tests' own. Cargo builds it with the tests, unless it is told to run one target of them only.
pub(crate) fn example(name: &str) -> PathBuf {
    let how = "cargo build --release --locked --workspace --examples";
    built(&format!("examples/{name}"), how)
}

fn built(path: &str, how: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the path of the test program");
    let folder = test
        .ancestors()
        .nth(2)
        .expect("tests lie in <profile>/deps");
    let found = folder.join(path);
    assert!(
        found.is_file(),
        "{} is missing: run `{how}`",
        found.display()
    );
    found
}
