//! `cargo lambda watch` as a child: Lambda's runtime and an API Gateway on one machine.

use crate::stack::Failure;
use std::fs::File;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long the emulator may take until it listens.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running emulator; stopped with the value.
#[derive(Debug)]
pub struct Watch {
    child: Child,
    port: u16,
}

impl Watch {
    /// Starts it and waits until it listens. Functions run from `target/release`; nothing is rebuilt on change.
    pub fn start(
        root: &Path,
        port: u16,
        environment: &[(&str, String)],
        log: &Path,
    ) -> Result<Self, Failure> {
        let program = root.join(".tools/bin/cargo-lambda");
        if !program.exists() {
            return Err(format!("{} is missing: run `make setup`", program.display()).into());
        }
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Err(format!(
                "start the functions: port {port} is busy, choose another with --port"
            )
            .into());
        }
        let output = File::create(log)?;
        let mut command = Command::new(program);
        // Under `cargo test` cargo says which package this process belongs to. The cargo below would take that for a change of
        // what build scripts read, and build half of the functions anew.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&name);
            }
        }
        let child = command
            .args([
                "lambda",
                "watch",
                "--release",
                "--ignore-changes",
                "--invoke-address",
                "127.0.0.1",
                "--invoke-port",
            ])
            .arg(port.to_string())
            .envs(environment.iter().map(|(name, value)| (*name, value)))
            .current_dir(root)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        let mut watch = Self { child, port };
        watch.wait_until_ready(log)?;
        Ok(watch)
    }

    /// Where the functions answer.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn wait_until_ready(&mut self, log: &Path) -> Result<(), Failure> {
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if let Some(status) = self.child.try_wait()? {
                return Err(
                    format!("cargo lambda watch ended ({status}), see {}", log.display()).into(),
                );
            }
            if started.elapsed() > PATIENCE {
                let seconds = PATIENCE.as_secs();
                return Err(format!(
                    "cargo lambda watch does not listen after {seconds} s, see {}",
                    log.display()
                )
                .into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // An interrupt, as a person would send it: the emulator then stops its functions too. `kill` is the one place
        // where this needs the system; the standard library can only end a child hard.
        let interrupted = Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status();
        let asked = Instant::now();
        while interrupted
            .as_ref()
            .is_ok_and(std::process::ExitStatus::success)
            && asked.elapsed() < Duration::from_secs(3)
        {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
