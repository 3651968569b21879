//! The masks of [`bitvector`](super::bitvector) by vector instructions of newer `x86_64` processors, found when the program runs, and
//! contributions compiled for them.
//!
//! Rows are lanes, 32 or 64 at a time, so that what a split broadcasts serves several registers and their chains hide each other's latency.
//! A row's leaf is looked up by permuting the tree's 32 values in registers. Values are added in the order of the trees, as everywhere, so
//! the sums are those of the portable code to the last bit.

#![expect(
    unsafe_code,
    reason = "vector loads and stores, and calls of code for processors that are known to be there; tested against the portable code"
)]

use super::bitvector::{BLOCK_ROWS, BitTree, Column};
use crate::model::Contributions;
use crate::model::shap::Explainer;
use features::matrix::Matrix;
use std::arch::x86_64::{
    __m256, __m256i, __m512, _CMP_LE_OQ, _CMP_NLE_UQ, _mm256_add_pd, _mm256_and_si256,
    _mm256_blendv_ps, _mm256_castps_si256, _mm256_castps256_ps128, _mm256_castsi256_ps,
    _mm256_cmp_ps, _mm256_cvtepi32_ps, _mm256_cvtps_pd, _mm256_extractf128_ps, _mm256_loadu_pd,
    _mm256_loadu_ps, _mm256_or_si256, _mm256_permutevar8x32_ps, _mm256_set1_epi32, _mm256_set1_ps,
    _mm256_setzero_si256, _mm256_slli_epi32, _mm256_srli_epi32, _mm256_storeu_pd, _mm256_sub_epi32,
    _mm512_add_pd, _mm512_and_si512, _mm512_castpd_ps, _mm512_castpd256_pd512, _mm512_castps_pd,
    _mm512_castps512_ps256, _mm512_cmp_ps_mask, _mm512_cvtps_pd, _mm512_extractf64x4_pd,
    _mm512_loadu_pd, _mm512_loadu_ps, _mm512_lzcnt_epi32, _mm512_mask_and_epi32,
    _mm512_permutex2var_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_si512,
    _mm512_storeu_pd, _mm512_sub_epi32,
};

/// Says that the processor has AVX2.
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx2(());

/// Says that the processor has AVX-512 F and CD.
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx512(());

impl Avx2 {
    pub(super) fn detected() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }

    /// Adds the values of all trees to the sums of the first rows of a block; sums of other rows are not to be read.
    #[expect(clippy::unused_self, reason = "that there is one is the proof")]
    pub(super) fn add(
        self,
        trees: &[BitTree],
        block: &[Column],
        rows: usize,
        sums: &mut [f64; BLOCK_ROWS],
    ) {
        let (parts, _) = sums.as_chunks_mut::<ROWS_OF_AVX2>();
        for (part, sums) in parts
            .iter_mut()
            .enumerate()
            .take(rows.div_ceil(ROWS_OF_AVX2))
        {
            // SAFETY: `self` exists only where AVX2 was detected.
            unsafe { add_avx2(trees, block, part, sums) };
        }
    }

    /// The contributions of every row.
    #[expect(clippy::unused_self, reason = "that there is one is the proof")]
    pub(super) fn explain(self, explainer: &Explainer, rows: &Matrix) -> Vec<Contributions> {
        // SAFETY: `self` exists only where AVX2 was detected.
        unsafe { explain_avx2(explainer, rows) }
    }
}

impl Avx512 {
    pub(super) fn detected() -> Option<Self> {
        let has_both = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512cd");
        has_both.then_some(Self(()))
    }

    /// Adds the values of all trees to the sums of the first rows of a block; sums of other rows are not to be read.
    #[expect(clippy::unused_self, reason = "that there is one is the proof")]
    pub(super) fn add(
        self,
        trees: &[BitTree],
        block: &[Column],
        rows: usize,
        sums: &mut [f64; BLOCK_ROWS],
    ) {
        // SAFETY: `self` exists only where both were detected.
        unsafe {
            if rows <= 16 {
                add_avx512::<1>(trees, block, sums);
            } else if rows <= 32 {
                add_avx512::<2>(trees, block, sums);
            } else {
                add_avx512::<4>(trees, block, sums);
            }
        }
    }

    /// The contributions of every row.
    #[expect(clippy::unused_self, reason = "that there is one is the proof")]
    pub(super) fn explain(self, explainer: &Explainer, rows: &Matrix) -> Vec<Contributions> {
        // SAFETY: `self` exists only where both were detected.
        unsafe { explain_avx512(explainer, rows) }
    }
}

#[target_feature(enable = "avx2")]
fn explain_avx2(explainer: &Explainer, rows: &Matrix) -> Vec<Contributions> {
    explainer.explain(rows)
}

#[target_feature(enable = "avx512f")]
fn explain_avx512(explainer: &Explainer, rows: &Matrix) -> Vec<Contributions> {
    explainer.explain(rows)
}

/// Four registers of eight.
const ROWS_OF_AVX2: usize = 32;

#[target_feature(enable = "avx2")]
fn add_avx2(trees: &[BitTree], block: &[Column], part: usize, sums: &mut [f64; ROWS_OF_AVX2]) {
    for tree in trees {
        let mut possible = [_mm256_set1_epi32(-1); ROWS_OF_AVX2 / 8];
        for split in &tree.splits {
            let (parts, _) = block[split.column as usize].as_chunks::<ROWS_OF_AVX2>();
            let (registers, _) = parts[part].as_chunks::<8>();
            let threshold = _mm256_set1_ps(split.threshold);
            let right = _mm256_set1_epi32(split.right.cast_signed());
            for (possible, values) in possible.iter_mut().zip(registers) {
                let holds = _mm256_cmp_ps::<_CMP_LE_OQ>(load_8(values), threshold);
                let kept = _mm256_or_si256(_mm256_castps_si256(holds), right);
                *possible = _mm256_and_si256(*possible, kept);
            }
        }
        let (sums, _) = sums.as_chunks_mut::<8>();
        for (possible, sums) in possible.into_iter().zip(sums) {
            add_8(values_of_8(tree, possible), sums);
        }
    }
}

/// The value of the lowest leaf that is possible, for each of eight rows.
#[target_feature(enable = "avx2")]
fn values_of_8(tree: &BitTree, possible: __m256i) -> __m256 {
    let lowest = _mm256_and_si256(possible, _mm256_sub_epi32(_mm256_setzero_si256(), possible));
    // The number of a single bit is the exponent of it as a float; of the sign bit as well, for the sign is shifted out below.
    let exponent = _mm256_srli_epi32::<23>(_mm256_castps_si256(_mm256_cvtepi32_ps(lowest)));
    let leaf = _mm256_sub_epi32(exponent, _mm256_set1_epi32(127));
    let (quarters, _) = tree.values.as_chunks::<8>();
    let pick = |quarter: usize| _mm256_permutevar8x32_ps(load_8(&quarters[quarter]), leaf);
    // The sign of each lane chooses: bits 3 and 4 of the leaf's number.
    let bit_3 = _mm256_castsi256_ps(_mm256_slli_epi32::<28>(leaf));
    let bit_4 = _mm256_castsi256_ps(_mm256_slli_epi32::<27>(leaf));
    let low = _mm256_blendv_ps(pick(0), pick(1), bit_3);
    let high = _mm256_blendv_ps(pick(2), pick(3), bit_3);
    _mm256_blendv_ps(low, high, bit_4)
}

#[target_feature(enable = "avx2")]
fn add_8(values: __m256, sums: &mut [f64; 8]) {
    let (halves, _) = sums.as_chunks_mut::<4>();
    let parts = [
        _mm256_castps256_ps128(values),
        _mm256_extractf128_ps::<1>(values),
    ];
    for (part, sums) in parts.into_iter().zip(halves) {
        // SAFETY: four float64 are there to read and to write; neither needs to be aligned.
        unsafe {
            let sum = _mm256_add_pd(_mm256_loadu_pd(sums.as_ptr()), _mm256_cvtps_pd(part));
            _mm256_storeu_pd(sums.as_mut_ptr(), sum);
        }
    }
}

#[target_feature(enable = "avx2")]
fn load_8(values: &[f32; 8]) -> __m256 {
    // SAFETY: eight float32 are there; they need not be aligned.
    unsafe { _mm256_loadu_ps(values.as_ptr()) }
}

#[target_feature(enable = "avx512f,avx512cd")]
fn add_avx512<const REGISTERS: usize>(
    trees: &[BitTree],
    block: &[Column],
    sums: &mut [f64; BLOCK_ROWS],
) {
    for tree in trees {
        let mut possible = [_mm512_set1_epi32(-1); REGISTERS];
        for split in &tree.splits {
            let (registers, _) = block[split.column as usize].as_chunks::<16>();
            let threshold = _mm512_set1_ps(split.threshold);
            let right = _mm512_set1_epi32(split.right.cast_signed());
            for (possible, values) in possible.iter_mut().zip(registers) {
                // "Not less or equal" holds for NaN as well.
                let fails = _mm512_cmp_ps_mask::<_CMP_NLE_UQ>(load_16(values), threshold);
                *possible = _mm512_mask_and_epi32(*possible, fails, *possible, right);
            }
        }
        let (halves, _) = tree.values.as_chunks::<16>();
        let (low, high) = (load_16(&halves[0]), load_16(&halves[1]));
        let (sums, _) = sums.as_chunks_mut::<16>();
        for (possible, sums) in possible.into_iter().zip(sums) {
            let negative = _mm512_sub_epi32(_mm512_setzero_si512(), possible);
            let lowest = _mm512_and_si512(possible, negative);
            let leaf = _mm512_sub_epi32(_mm512_set1_epi32(31), _mm512_lzcnt_epi32(lowest));
            add_16(_mm512_permutex2var_ps(low, leaf, high), sums);
        }
    }
}

#[target_feature(enable = "avx512f")]
fn add_16(values: __m512, sums: &mut [f64; 16]) {
    let (halves, _) = sums.as_chunks_mut::<8>();
    let upper = _mm512_castpd_ps(_mm512_castpd256_pd512(_mm512_extractf64x4_pd::<1>(
        _mm512_castps_pd(values),
    )));
    for (part, sums) in [values, upper].into_iter().zip(halves) {
        let part = _mm512_cvtps_pd(_mm512_castps512_ps256(part));
        // SAFETY: eight float64 are there to read and to write; neither needs to be aligned.
        unsafe {
            let sum = _mm512_add_pd(_mm512_loadu_pd(sums.as_ptr()), part);
            _mm512_storeu_pd(sums.as_mut_ptr(), sum);
        }
    }
}

#[target_feature(enable = "avx512f")]
fn load_16(values: &[f32; 16]) -> __m512 {
    // SAFETY: sixteen float32 are there; they need not be aligned.
    unsafe { _mm512_loadu_ps(values.as_ptr()) }
}
