//! Plain, gzip and Zstandard bytes, unpacked in bounded steps: what a step gives is a fraction of a megabyte, however
//! well the bytes are packed, and the caps are looked at after every step.

use super::limits::{FileFault, Limits};
use super::name::Packing;
use flate2::write::MultiGzDecoder;
use std::io::Write;
use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};
use zstd::zstd_safe::DParameter;

/// Bytes that a step gives at most, or about so for gzip.
const STEP_BYTES: usize = 128 * 1024;
/// Packed bytes that a step of gzip takes: deflate gives at most 1032 bytes for one. Source: zlib's technical details.
const GZIP_STEP_BYTES: usize = STEP_BYTES / 1032;
/// Largest window of Zstandard, as a power of two: 8 MiB, what RFC 8878 asks a decoder for, and what levels up to 19 use.
const WINDOW_LOG: u32 = 23;

/// Unpacks a file.
pub struct Unpacker {
    packed: Packed,
    limits: Limits,
    taken: u64,
    given: u64,
}

enum Packed {
    Plain,
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    Zstandard {
        decoder: Decoder<'static>,
        is_inside: bool,
    },
}

impl Unpacker {
    /// For one file.
    pub fn new(packing: Packing, limits: Limits) -> Result<Self, FileFault> {
        let packed = match packing {
            Packing::Plain => Packed::Plain,
            Packing::Gzip => Packed::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))),
            Packing::Zstandard => zstandard().map_err(|e| damaged(&e))?,
        };
        Ok(Self {
            packed,
            limits,
            taken: 0,
            given: 0,
        })
    }

    /// Unpacked bytes so far.
    pub fn given(&self) -> u64 {
        self.given
    }

    /// Unpacks some of `input` to the end of `output`, and says how many bytes of it were taken: at least one.
    pub fn step(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<usize, FileFault> {
        let before = output.len();
        let taken = match &mut self.packed {
            Packed::Plain => {
                let taken = input.len().min(STEP_BYTES);
                output.extend_from_slice(&input[..taken]);
                taken
            }
            Packed::Gzip(decoder) => {
                let taken = input.len().min(GZIP_STEP_BYTES);
                decoder
                    .write_all(&input[..taken])
                    .map_err(|e| damaged(&e))?;
                output.append(decoder.get_mut());
                taken
            }
            Packed::Zstandard { decoder, is_inside } => {
                let mut from = InBuffer::around(input);
                unpack_frame(decoder, &mut from, is_inside, output).map_err(|e| damaged(&e))?;
                from.pos()
            }
        };
        self.taken += taken as u64;
        self.given += (output.len() - before) as u64;
        self.check().map(|()| taken)
    }

    /// The rest, once all input was taken; a file that ends early is damaged.
    pub fn finish(&mut self, output: &mut Vec<u8>) -> Result<(), FileFault> {
        let before = output.len();
        match &mut self.packed {
            Packed::Plain => {}
            // Nothing at all is an empty file, however it is called.
            _ if self.taken == 0 => {}
            Packed::Gzip(decoder) => {
                decoder.try_finish().map_err(|e| damaged(&e))?;
                output.append(decoder.get_mut());
            }
            Packed::Zstandard { is_inside, .. } if *is_inside => {
                return Err(FileFault::new("damaged", "the file ends inside a frame"));
            }
            Packed::Zstandard { .. } => {}
        }
        self.given += (output.len() - before) as u64;
        self.check()
    }

    fn check(&self) -> Result<(), FileFault> {
        self.limits.check_unpacked(self.given, self.taken)
    }
}

fn zstandard() -> std::io::Result<Packed> {
    let mut decoder = Decoder::new()?;
    decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG))?;
    Ok(Packed::Zstandard {
        decoder,
        is_inside: false,
    })
}

/// Unpacks until the input is taken, or a step is full and something of it was taken.
fn unpack_frame(
    decoder: &mut Decoder<'static>,
    from: &mut InBuffer<'_>,
    is_inside: &mut bool,
    output: &mut Vec<u8>,
) -> std::io::Result<()> {
    let mut room = vec![0; STEP_BYTES];
    loop {
        let mut to = OutBuffer::around(&mut room);
        let hint = decoder.run(from, &mut to)?;
        let is_full = to.pos() == STEP_BYTES;
        output.extend_from_slice(to.as_slice());
        *is_inside = hint != 0;
        let is_taken = from.pos() == from.src.len();
        // A full buffer may hide more of what was taken already; the rest of it comes in another round. A frame that
        // has ended hides nothing, and asked again would begin another one.
        if hint == 0 || (is_taken && !is_full) || (!is_taken && is_full && from.pos() > 0) {
            return Ok(());
        }
    }
}

fn damaged(error: &std::io::Error) -> FileFault {
    FileFault::new("damaged", format!("cannot be unpacked ({error})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    pub(crate) fn pack(packing: Packing, bytes: &[u8]) -> Vec<u8> {
        match packing {
            Packing::Plain => bytes.to_vec(),
            Packing::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Packing::Zstandard => zstd::encode_all(bytes, 3).unwrap(),
        }
    }

    /// Unpacks input that comes in pieces; also the largest step.
    fn unpack(
        packing: Packing,
        limits: Limits,
        packed: &[u8],
        piece: usize,
    ) -> Result<(Vec<u8>, usize), FileFault> {
        let mut unpacker = Unpacker::new(packing, limits)?;
        let (mut all, mut largest) = (Vec::new(), 0);
        for mut piece in packed.chunks(piece) {
            while !piece.is_empty() {
                let mut output = Vec::new();
                let taken = unpacker.step(piece, &mut output)?;
                assert!(taken > 0, "a step takes something");
                piece = &piece[taken..];
                largest = largest.max(output.len());
                all.extend(output);
            }
        }
        unpacker.finish(&mut all)?;
        assert_eq!(unpacker.given(), all.len() as u64);
        Ok((all, largest))
    }

    const PACKED: [Packing; 2] = [Packing::Gzip, Packing::Zstandard];

    #[test]
    fn a_bomb_is_noticed_while_it_is_small() {
        for packing in PACKED {
            let bomb = pack(packing, &vec![b'1'; 64 * 1024 * 1024]);
            let fault = unpack(packing, Limits::default(), &bomb, 1 << 20).unwrap_err();
            assert_eq!(fault.kind, "too tightly packed", "{fault}");
            let patient = Limits {
                ratio: u64::MAX,
                unpacked_bytes: 1 << 20,
                ..Limits::default()
            };
            let fault = unpack(packing, patient, &bomb, 1 << 20).unwrap_err();
            assert_eq!(fault.kind, "too large", "{fault}");
            let all = Limits {
                ratio: u64::MAX,
                ..Limits::default()
            };
            let (bytes, largest) = unpack(packing, all, &bomb, 1 << 20).unwrap();
            assert_eq!(bytes.len(), 64 * 1024 * 1024);
            assert!(largest <= 2 * STEP_BYTES, "{packing:?}: {largest}");
        }
    }

    #[test]
    fn several_members_are_one_file_and_an_early_end_is_damage() {
        for packing in PACKED {
            let mut packed = pack(packing, b"sku_id\n1\n");
            packed.extend(pack(packing, b"2\n"));
            for piece in [1, 7, 1000] {
                let (bytes, _) = unpack(packing, Limits::default(), &packed, piece).unwrap();
                assert_eq!(bytes, b"sku_id\n1\n2\n");
            }
            for end in 1..packed.len() {
                if let Ok((bytes, _)) = unpack(packing, Limits::default(), &packed[..end], 64) {
                    assert_eq!(bytes, b"sku_id\n1\n", "only a whole member passes");
                }
            }
            let fault = unpack(packing, Limits::default(), b"no archive at all", 64).unwrap_err();
            assert_eq!(fault.kind, "damaged");
        }
    }

    proptest! {
        #[test]
        fn what_was_packed_comes_back(bytes in prop::collection::vec(any::<u8>(), 0..5000), piece in 1usize..600) {
            for packing in [Packing::Plain, Packing::Gzip, Packing::Zstandard] {
                let packed = pack(packing, &bytes);
                prop_assert_eq!(&unpack(packing, Limits::default(), &packed, piece).unwrap().0, &bytes);
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000), piece in 1usize..600) {
            let magic: [&[u8]; 3] = [&[], &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3], &[0x28, 0xb5, 0x2f, 0xfd]];
            for (packing, magic) in [(Packing::Gzip, magic[1]), (Packing::Zstandard, magic[2]), (Packing::Gzip, magic[0]), (Packing::Zstandard, magic[0])] {
                let _ = unpack(packing, Limits::default(), &[magic, &bytes].concat(), piece);
            }
        }
    }
}
