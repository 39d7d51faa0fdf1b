# bench/*.c: a program each, at build/PRESET/bench/; run_bench.py runs them.
file(GLOB bench_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/*.c)
foreach(source IN LISTS bench_sources)
  get_filename_component(name ${source} NAME_WE)
  add_executable(${name} ${source})
  target_link_libraries(${name} PRIVATE fathom_static)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bench)
endforeach()
set_source_files_properties(${PROJECT_SOURCE_DIR}/bench/machine_peak.c
                            PROPERTIES COMPILE_OPTIONS -ffp-contract=fast)
