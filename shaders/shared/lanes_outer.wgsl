// An outer product in the registers of one subgroup of LANES invocations: sums[row, column] += left[term, row] right[term,
// column] over STEP terms
//
// Constants    LANES, V, PART and `columns` as in shared/lanes.wgsl; PARTS, from the next file: the rows of the result / PART;
//              MOST_ROW_LANES, at most LANES
// Who          lane l of the first ROW_LANES has the left side of PART rows, every lane the right side of its own columns;
//              every lane gets the sums of all ROW_LANES PART rows for its own columns. Each index is a loop's own counter:
//              Mesa unrolls such loops, which keeps the sums in registers. All lanes of the subgroup must call it together
// Numerics     the STEP terms are added first, then to the sum
//
// needs: MOST_ROW_LANES, PART, PARTS, V, columns, part
// gives: STEP, ROW_LANES, Left, Right, Sums
// gives: multiply_add(sums: ptr<function, Sums>, left: ptr<function, Left>, right: ptr<function, Right>)

// Terms loaded together.
const STEP: u32 = 4u;
const ROW_LANES: u32 = min(MOST_ROW_LANES, PARTS);
alias Left = array<part, STEP>;
alias Right = array<array<columns, V>, STEP>;
alias Sums = array<array<array<columns, V>, PART>, ROW_LANES>;

fn multiply_add(sums: ptr<function, Sums>, left: ptr<function, Left>, right: ptr<function, Right>) {
    for (var row = 0u; row < ROW_LANES; row++) {
        for (var i = 0u; i < PART; i++) {
            for (var v = 0u; v < V; v++) {
                var sum = subgroupShuffle((*left)[0][i], row) * (*right)[0][v];
                for (var term = 1u; term < STEP; term++) {
                    sum += subgroupShuffle((*left)[term][i], row) * (*right)[term][v];
                }
                (*sums)[row][i][v] += sum;
            }
        }
    }
}
