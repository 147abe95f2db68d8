# trireme_module(NAME SOURCES ... [DEPENDS module ...] [LIBRARIES target ...])
#
# One folder of framework/. It is compiled with an include path that holds its own folder, the public
# headers and the folders of the modules that it names, and of none else: an include that the layering
# forbids is "No such file". What a named module uses itself is not inherited.
function(trireme_module name)
    cmake_parse_arguments(PARSE_ARGV 1 module "" "" "SOURCES;DEPENDS;LIBRARIES")
    add_library(trireme_${name} OBJECT)
    list(TRANSFORM module_SOURCES PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/${name}/)
    target_sources(trireme_${name} PRIVATE ${module_SOURCES})
    target_include_directories(trireme_${name} PRIVATE
        ${CMAKE_CURRENT_SOURCE_DIR}/${name} ${PROJECT_SOURCE_DIR}/include)
    foreach(dependency IN LISTS module_DEPENDS)
        if(NOT TARGET trireme_${dependency})
            message(FATAL_ERROR "${name} may not use ${dependency}: it stands below it in framework/CMakeLists.txt")
        endif()
        target_include_directories(trireme_${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/${dependency})
    endforeach()
    target_link_libraries(trireme_${name} PRIVATE
        trireme_warnings trireme_hardening ${module_LIBRARIES})
    set_property(GLOBAL APPEND PROPERTY TRIREME_MODULES ${name})
endfunction()
