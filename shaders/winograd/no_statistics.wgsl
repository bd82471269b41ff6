// Winograd, output transform: no statistics are computed.
//
// needs: OUTPUTS, Outputs
// gives: Moments
// gives: accumulate(moments: ptr<function, Moments>, values: ptr<function, array<Outputs, OUTPUTS>>, rows: u32, columns: u32, base: u32, c: u32)
// gives: store_statistics(segment: u32, c: u32, moments: Moments)

struct Moments {
    count: f32,
}

fn accumulate(
    moments: ptr<function, Moments>, values: ptr<function, array<Outputs, OUTPUTS>>, rows: u32, columns: u32, base: u32, c: u32,
) {}

fn store_statistics(segment: u32, c: u32, moments: Moments) {
}
