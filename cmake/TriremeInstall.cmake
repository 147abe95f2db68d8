# What `cmake --install` puts where, and how others find it: as the CMake package trireme and as the
# pkg-config module trireme. Included at the end of the top CMakeLists.txt.
include(CMakePackageConfigHelpers)

set(trireme_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/trireme)

# Objects that only this compiler's link-time optimizer can read are of no use to others: the archive
# gets machine code too.
if(CMAKE_C_COMPILER_ID STREQUAL "GNU" AND NOT BUILD_SHARED_LIBS)
    get_property(modules GLOBAL PROPERTY TRIREME_MODULES)
    foreach(module IN LISTS modules ITEMS wellknown)
        target_compile_options(trireme_${module} PRIVATE
            $<$<AND:$<BOOL:$<TARGET_PROPERTY:INTERPROCEDURAL_OPTIMIZATION>>,$<COMPILE_LANGUAGE:C>>:-ffat-lto-objects>)
    endforeach()
endif()

install(TARGETS trireme protoc-gen-trireme
    EXPORT trireme-targets
    RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
    FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
    INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT trireme-targets NAMESPACE trireme:: DESTINATION ${trireme_package_dir})

# While the major version is 0, every minor version may break its users.
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/trireme-config-version.cmake
    COMPATIBILITY SameMinorVersion)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/trireme-config.cmake.in
    ${CMAKE_CURRENT_BINARY_DIR}/trireme-config.cmake
    INSTALL_DESTINATION ${trireme_package_dir}
    NO_SET_AND_CHECK_MACRO)
install(FILES
    ${CMAKE_CURRENT_BINARY_DIR}/trireme-config.cmake
    ${CMAKE_CURRENT_BINARY_DIR}/trireme-config-version.cmake
    ${CMAKE_CURRENT_LIST_DIR}/TriremeGenerate.cmake
    DESTINATION ${trireme_package_dir})

# Only a static library needs its users to name what it uses itself.
if(BUILD_SHARED_LIBS)
    set(trireme_pc_needs "Requires: libprotobuf-c")
else()
    set(trireme_pc_needs "Requires: libprotobuf-c liburing libnghttp2")
endif()
# Relative to the file, so that an installed tree can be moved.
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX
    BASE_DIRECTORY ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig OUTPUT_VARIABLE trireme_pc_prefix)
configure_file(${CMAKE_CURRENT_LIST_DIR}/trireme.pc.in ${CMAKE_CURRENT_BINARY_DIR}/trireme.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/trireme.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
