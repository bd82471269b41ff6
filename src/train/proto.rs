//! The subset of protobuf's encoding that ONNX and TensorBoard files need.
//!
//! # Source
//! protobuf.dev: "Encoding"; the field numbers are those of each format.

/// A message, field by field.
#[derive(Debug, Default)]
pub(super) struct Message(Vec<u8>);

/// The type of value after a field's number.
enum Wire {
    Varint = 0,
    Fixed64 = 1,
    Bytes = 2,
    Fixed32 = 5,
}

impl Message {
    pub fn new() -> Self {
        Self::default()
    }

    fn push_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn tag(&mut self, field: u32, wire: Wire) {
        self.push_varint(u64::from(field) << 3 | wire as u64);
    }

    pub fn int(mut self, field: u32, value: u64) -> Self {
        self.tag(field, Wire::Varint);
        self.push_varint(value);
        self
    }

    pub fn float(mut self, field: u32, value: f32) -> Self {
        self.tag(field, Wire::Fixed32);
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn double(mut self, field: u32, value: f64) -> Self {
        self.tag(field, Wire::Fixed64);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// Writes the number and the length of a field; its bytes follow.
    pub fn announce(mut self, field: u32, length: usize) -> Self {
        self.tag(field, Wire::Bytes);
        self.push_varint(length as u64);
        self
    }

    pub fn bytes(mut self, field: u32, bytes: &[u8]) -> Self {
        self = self.announce(field, bytes.len());
        self.0.extend(bytes);
        self
    }

    pub fn text(self, field: u32, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    pub fn message(self, field: u32, message: &Self) -> Self {
        self.bytes(field, &message.0)
    }

    pub fn ints(self, field: u32, values: &[usize]) -> Self {
        values.iter().fold(self, |message, &value| message.int(field, value as u64))
    }

    pub fn encoded(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of "Encoding".
    #[test]
    fn fields_are_encoded_as_documented() {
        assert_eq!(Message::new().int(1, 150).encoded(), [0x08, 0x96, 0x01]);
        assert_eq!(Message::new().text(2, "testing").encoded(), b"\x12\x07testing");
        let inner = Message::new().int(1, 150);
        assert_eq!(Message::new().message(3, &inner).encoded(), [0x1a, 0x03, 0x08, 0x96, 0x01]);
        assert_eq!(Message::new().float(2, 1.0).encoded(), [0x15, 0, 0, 0x80, 0x3f]);
    }
}
