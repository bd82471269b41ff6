// What an optimiser step leaves in a weight of a sparse network: its new value, but a weight that is exactly 0 was pruned and stays 0.
//
// needs: elem
// gives: updated(old: elem, stepped: elem) -> elem

fn updated(old: elem, stepped: elem) -> elem {
    return select(stepped, old, old == elem(0.0));
}
