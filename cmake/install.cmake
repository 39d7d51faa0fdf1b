# cmake --install: the program, both libraries, the headers, and how others find them: the CMake
# package fathom (target fathom::fathom, the shared library) and fathom.pc (--static: the archive).
include(CMakePackageConfigHelpers)

install(TARGETS fathom_shared EXPORT fathom_targets)
install(TARGETS fathom_static ARCHIVE)
if(TARGET fathom)
  install(TARGETS fathom)
  install(FILES docs/fathom.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  install(DIRECTORY recipes DESTINATION ${CMAKE_INSTALL_DATADIR}/fathom)
endif()
install(DIRECTORY include/fathom TYPE INCLUDE FILES_MATCHING PATTERN "*.h")
install(FILES LICENSE README.md CHANGELOG.md TYPE DOC)

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/fathom)
install(EXPORT fathom_targets NAMESPACE fathom:: FILE fathomConfig.cmake
        DESTINATION ${package_folder})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/fathomConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/fathomConfigVersion.cmake DESTINATION ${package_folder})

# What the archive needs when it is linked. Not Requires.private: `pkg-config --static` would then
# ask for everything that these libraries need when they are static, too.
set(pc_flags -lm -pthread)
if(FATHOM_FILES)
  list(APPEND pc_flags -lyaml -ljansson -lz -llzma -ldl)
endif()
if(FATHOM_IMAGES)
  list(APPEND pc_flags -lpng -ljpeg)
endif()
if(FATHOM_AUDIO)
  list(APPEND pc_flags -lsndfile -lmpg123 -lsamplerate -lkissfft-float)
endif()
if(FATHOM_OPENMP)
  list(APPEND pc_flags ${OpenMP_C_FLAGS})
endif()
if(FATHOM_ONEDNN)
  list(APPEND pc_flags -ldnnl)
endif()
list(JOIN pc_flags " " pc_flags)
# Relative to the file itself, so that the installed tree may be moved.
file(RELATIVE_PATH pc_prefix /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
string(REGEX REPLACE "/$" "" pc_prefix ${pc_prefix})
configure_file(cmake/fathom.pc.in ${PROJECT_BINARY_DIR}/fathom.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/fathom.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
