// A matrix product in the registers of one subgroup of LANES invocations: sums[row, column] += x[row, part] w[part, column]
//
// Each lane loads the left operand of its own row (BLOCKED of them) and the right operand of its own V vectors of
// columns. Rows are broadcast across the lanes, one row at a time, so that each load is used LANES times.
//
// Constants    LANES, the subgroup's size; BLOCKED, rows a lane loads; V, vectors of columns a lane owns; PART, values of
//              the inner dimension in a `part`
// Who          lane l has row b LANES + l of x and its own columns of w; every lane gets the sums of all ROWS rows for
//              its own columns. The loops unroll, so that the sums stay in registers and each shuffle has a literal lane.
//              All lanes of the subgroup must call it together
// Numerics     the PART products are added first, then to the sum: short chains, in a fixed order
// Where        software adapters, where a load is a loop over the lanes and a shuffle is one instruction
//
// needs: BLOCKED, LANES, PART, V, columns, part
// gives: ROWS, Rows, Weights, Sums
// gives: multiply_add(sums: ptr<function, Sums>, x: ptr<function, Rows>, w: ptr<function, Weights>)

const ROWS: u32 = BLOCKED * LANES;
alias Rows = array<part, BLOCKED>;
alias Weights = array<array<columns, V>, PART>;
alias Sums = array<array<columns, V>, ROWS>;

fn multiply_add(sums: ptr<function, Sums>, x: ptr<function, Rows>, w: ptr<function, Weights>) {
    for (var b = 0u; b < BLOCKED; b++) {
        for (var lane = 0u; lane < LANES; lane++) {
            for (var v = 0u; v < V; v++) {
                var sum = subgroupShuffle((*x)[b][0], lane) * (*w)[0][v];
                for (var i = 1u; i < PART; i++) {
                    sum += subgroupShuffle((*x)[b][i], lane) * (*w)[i][v];
                }
                (*sums)[b * LANES + lane][v] += sum;
            }
        }
    }
}
