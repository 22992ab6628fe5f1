//! Hints for operators that have no reader.

const CONTROL_FLOW: &str = "control flow must be decided at export: encrypted values cannot be branched on";
const TEXT: &str = "turn text into numbers before encryption and export the model without that step";
const QUANTIZED: &str =
    "export the quantized model with QuantizeLinear and DequantizeLinear (the QDQ format)";
const RANDOM: &str = "export the model in inference mode";

const HINTS: [(&str, &str); 25] = [
    (
        "Scan",
        "only scans that measure distances from constant points are read, as nearest neighbours of scikit-learn are exported",
    ),
    ("If", CONTROL_FLOW),
    ("Loop", CONTROL_FLOW),
    ("SequenceMap", CONTROL_FLOW),
    ("TfIdfVectorizer", TEXT),
    ("StringNormalizer", TEXT),
    ("Tokenizer", TEXT),
    ("StringSplit", TEXT),
    ("StringConcat", TEXT),
    ("RegexFullMatch", TEXT),
    ("DictVectorizer", "export with a tensor for each column instead of a dictionary"),
    ("CastMap", "export with a tensor for each column instead of a dictionary"),
    ("RandomNormal", RANDOM),
    ("RandomNormalLike", RANDOM),
    ("RandomUniform", RANDOM),
    ("RandomUniformLike", RANDOM),
    ("Bernoulli", RANDOM),
    ("Multinomial", RANDOM),
    ("DynamicQuantizeLinear", "its scale depends on encrypted values: quantize the model statically"),
    ("RNN", "recurrent layers are not supported"),
    ("LSTM", "recurrent layers are not supported"),
    ("GRU", "recurrent layers are not supported"),
    ("Einsum", "write it as MatMul and Transpose"),
    ("NonZero", "the shape of its result depends on encrypted values"),
    ("Compress", "the shape of its result depends on encrypted values"),
];

/// What to do about an operator without a reader; onnxruntime has many that begin with QLinear.
pub(in crate::onnx) fn hint(op: &str) -> Option<&'static str> {
    let is_quantized = op.starts_with("QLinear") || op == "QGemm";
    let known = HINTS.iter().find(|(name, _)| *name == op).map(|(_, hint)| *hint);
    known.or(is_quantized.then_some(QUANTIZED))
}
