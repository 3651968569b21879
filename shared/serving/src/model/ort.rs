//! Any other graph, through ONNX Runtime.
//!
//! The only file that names the runtime's crate. The library is loaded when the first graph needs it, from a path the
//! caller gives, and stays for the life of the process: the runtime allows one environment.
//!
//! Version 1.28 sends and stores nothing. Later ones open a telemetry database at start-up whatever the environment is
//! told, so a process that may meet one sets `ORT_DISABLE_TELEMETRY=1` before it starts.

use super::onnx::{self, Model};
use super::{Contributions, ModelError, Scorer};
use features::matrix::Matrix;
use ort::environment::Environment;
use ort::session::Session;
use ort::value::TensorRef;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The one environment of this process, and the library it came from.
static ENVIRONMENT: Mutex<Option<(PathBuf, Environment)>> = Mutex::new(None);

/// A graph in a session of its own, with one thread.
///
/// Scores are float32 numbers as the runtime computes them. It may add in another order for another number of rows, so
/// that a row's last bits can depend on its batch, which the native scorer rules out.
pub struct OrtScorer {
    /// A run takes the session for itself.
    session: Mutex<Session>,
    columns: usize,
}

impl std::fmt::Debug for OrtScorer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OrtScorer")
            .field("columns", &self.columns)
            .finish_non_exhaustive()
    }
}

impl OrtScorer {
    /// Loads the library, once per process, and the graph.
    ///
    /// The graph has one float32 input `[rows, columns]` and one float32 output with one number per row. A second call
    /// with another library is an error.
    pub fn load(library: &Path, model: &[u8]) -> Result<Self, ModelError> {
        Self::new(library, model, &onnx::read(model)?)
    }

    /// The same for a file that is already read.
    pub(super) fn new(library: &Path, bytes: &[u8], model: &Model) -> Result<Self, ModelError> {
        let environment = environment(library)?;
        let session = open_session(&environment, bytes)?;
        Ok(Self {
            session: Mutex::new(session),
            columns: model.columns,
        })
    }
}

impl Scorer for OrtScorer {
    fn columns(&self) -> usize {
        self.columns
    }

    fn score(&self, rows: &Matrix, scores: &mut Vec<f64>) -> Result<(), ModelError> {
        if rows.columns() != self.columns {
            return Err(ModelError::Columns {
                rows: rows.columns(),
                model: self.columns,
            });
        }
        if rows.row_count() == 0 {
            return Ok(());
        }
        let shape = [rows.row_count(), rows.columns()];
        let input =
            TensorRef::from_array_view((shape, rows.values())).map_err(failed("make the input"))?;
        // A panic elsewhere leaves nothing half-written here: a session is only read between runs.
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs = session
            .run(ort::inputs![input])
            .map_err(failed("run the graph"))?;
        let (shape, values) = outputs[0]
            .try_extract_tensor::<f32>()
            .map_err(failed("read the output"))?;
        if values.len() != rows.row_count() {
            return Err(ModelError::Runtime {
                reason: format!(
                    "output has shape {shape} for {} rows, one number per row needed",
                    rows.row_count()
                ),
            });
        }
        scores.extend(values.iter().map(|&value| f64::from(value)));
        Ok(())
    }

    fn explain(&self, _: &Matrix) -> Option<Result<Vec<Contributions>, ModelError>> {
        None
    }
}

fn environment(library: &Path) -> Result<Environment, ModelError> {
    let mut current = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
    match &*current {
        Some((loaded, environment)) if loaded == library => return Ok(environment.clone()),
        Some((loaded, _)) => {
            return Err(ModelError::Runtime {
                reason: format!(
                    "{} is loaded already, {} cannot be loaded beside it",
                    loaded.display(),
                    library.display()
                ),
            });
        }
        None => {}
    }
    let load = || format!("load library {}", library.display());
    let builder = ort::init_from(library).map_err(|error| ModelError::Runtime {
        reason: format!("{}: {error}", load()),
    })?;
    let environment = builder
        .with_name("storecast")
        .with_telemetry(false)
        .build()
        .map_err(failed(&load()))?;
    *current = Some((library.to_owned(), environment.clone()));
    Ok(environment)
}

fn open_session(environment: &Environment, bytes: &[u8]) -> Result<Session, ModelError> {
    let builder = Session::builder(environment).map_err(failed("open a session"))?;
    let mut builder = builder
        .with_intra_threads(1)
        .map_err(failed("set one thread"))?;
    builder
        .commit_from_memory(bytes)
        .map_err(failed("load the graph"))
}

/// Turns the runtime's error, which may hold what cannot be sent to another thread, into its message.
fn failed<R>(what: &str) -> impl FnOnce(ort::Error<R>) -> ModelError {
    move |error| ModelError::Runtime {
        reason: format!("{what}: {error}"),
    }
}
