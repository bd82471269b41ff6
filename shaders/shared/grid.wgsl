// The linear index of a workgroup: dispatches above 65,535 workgroups are folded into two dimensions, row by row.
//
// needs: nothing
// gives: grid_index(workgroup: vec3<u32>, workgroups: vec3<u32>) -> u32

fn grid_index(workgroup: vec3<u32>, workgroups: vec3<u32>) -> u32 {
    return workgroup.y * workgroups.x + workgroup.x;
}
