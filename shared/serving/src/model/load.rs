//! From the bytes of an ONNX file to a scorer.

use super::forest::{Forest, Instructions};
use super::onnx;
use super::ort::OrtScorer;
use super::{ModelError, Scorer};
use std::collections::BTreeMap;
use std::path::Path;

/// A tensor of a graph, in the words of the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Name in the graph.
    pub name: String,
    /// Always `float32`: other types are refused.
    pub dtype: String,
    /// Per dimension a number, the name of a dimension such as `rows`, or `?`.
    pub shape: Vec<String>,
}

/// Who scores a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelKind {
    /// Rust code of this crate.
    Native,
    /// ONNX Runtime.
    Runtime,
}

/// A model file that was checked and is ready to score.
pub struct LoadedModel {
    /// Scores, and explains where it can.
    pub scorer: Box<dyn Scorer>,
    /// What training wrote into the file beside the graph: [`FINGERPRINT_KEY`](super::FINGERPRINT_KEY),
    /// [`FEATURES_KEY`](super::FEATURES_KEY), [`LEAF_COUNTS_KEY`](super::LEAF_COUNTS_KEY).
    pub metadata: BTreeMap<String, String>,
    /// The graph's only input, `[rows, columns]`.
    pub input: TensorInfo,
    /// The graph's only output, one raw score per row.
    pub output: TensorInfo,
    /// Who scores it.
    pub kind: ModelKind,
}

impl std::fmt::Debug for LoadedModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoadedModel")
            .field("kind", &self.kind)
            .field("input", &self.input)
            .field("output", &self.output)
            .finish_non_exhaustive()
    }
}

/// Reads an ONNX file and makes its scorer: a graph that is one `TreeEnsemble` is scored natively, any other by ONNX
/// Runtime from `runtime_library`.
///
/// Fails when the file is not ONNX, is beyond a limit, has other than one float32 input and output, is a tree ensemble
/// of a kind that is not scored (averages, several targets, comparisons other than `<=`), or needs the runtime and no
/// library is given. Never panics, whatever the bytes.
///
/// ```
/// let error = serving::model::load(b"not ONNX", None).unwrap_err();
/// assert!(error.to_string().starts_with("read ONNX model: not an ONNX file"));
/// ```
pub fn load(bytes: &[u8], runtime_library: Option<&Path>) -> Result<LoadedModel, ModelError> {
    load_for(bytes, runtime_library, Instructions::best())
}

/// The same, and trees score batches by these instructions where the processor has them: to compare them, for [`load`] takes the best.
pub fn load_for(
    bytes: &[u8],
    runtime_library: Option<&Path>,
    instructions: Instructions,
) -> Result<LoadedModel, ModelError> {
    let model = onnx::read(bytes)?;
    let (scorer, kind): (Box<dyn Scorer>, _) = if model.is_tree_ensemble() {
        let forest = Forest::new(&model.ensemble()?, instructions);
        (Box::new(forest), ModelKind::Native)
    } else {
        let library = runtime_library.ok_or_else(|| ModelError::Runtime {
            reason: format!(
                "the graph ({}) needs the runtime, and no library path is given",
                model.operators()
            ),
        })?;
        (
            Box::new(OrtScorer::new(library, bytes, &model)?),
            ModelKind::Runtime,
        )
    };
    Ok(LoadedModel {
        scorer,
        metadata: model.metadata,
        input: model.input,
        output: model.output,
        kind,
    })
}
