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
