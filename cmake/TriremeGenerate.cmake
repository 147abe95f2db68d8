# trireme_generate(TARGET PROTOS a.proto ... [IMPORT_DIRS dir ...] [OPTIONS option ...])
#
# Generates the messages and the services of .proto files and adds them to a target: sources, include
# path and libraries. What a.proto imports must be named as well, here or for a library that the target
# links, but for google/protobuf/*.proto, whose code the library ships.
#
#   IMPORT_DIRS  where imports are looked for; the current source directory comes last. A .proto is
#                #included by its name relative to the first of them that it lies in (its own folder
#                when it lies in none): DIR/v1/a.proto gives "v1/a.trireme.h".
#   OPTIONS      parameters of the plugin, such as aliases=off or prefix=v2_
#
# The target must use the keyword form of target_link_libraries (PRIVATE, PUBLIC).
find_program(TRIREME_PROTOC protoc)

function(trireme_generate target)
    cmake_parse_arguments(PARSE_ARGV 1 generate "" "" "PROTOS;IMPORT_DIRS;OPTIONS")
    if(NOT TARGET ${target})
        message(FATAL_ERROR "trireme_generate: there is no target ${target}")
    endif()
    if(generate_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "trireme_generate(${target}): '${generate_UNPARSED_ARGUMENTS}' stands "
            "behind none of PROTOS, IMPORT_DIRS and OPTIONS")
    endif()
    if(NOT generate_PROTOS)
        message(FATAL_ERROR "trireme_generate(${target}): no PROTOS")
    endif()
    if(NOT TRIREME_PROTOC)
        message(FATAL_ERROR "trireme_generate needs protoc: apt-get install protobuf-compiler")
    endif()

    # One folder for a target, so that two targets may generate one .proto with different options.
    set(output ${CMAKE_CURRENT_BINARY_DIR}/${target}.protos)
    set(flags)
    foreach(option IN LISTS generate_OPTIONS)
        list(APPEND flags --trireme_opt=${option})
    endforeach()
    trireme_generate_roots(roots)
    foreach(proto IN LISTS generate_PROTOS)
        trireme_generate_one(${target} ${proto})
    endforeach()

    target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${output}>)
    target_link_libraries(${target} PUBLIC $<TARGET_NAME_IF_EXISTS:trireme::trireme>)
endfunction()

# Sets `result` to the import directories, absolute.
function(trireme_generate_roots result)
    set(roots)
    foreach(directory IN LISTS generate_IMPORT_DIRS ITEMS ${CMAKE_CURRENT_SOURCE_DIR})
        cmake_path(ABSOLUTE_PATH directory BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} NORMALIZE)
        list(APPEND roots ${directory})
    endforeach()
    list(REMOVE_DUPLICATES roots)
    set(${result} ${roots} PARENT_SCOPE)
endfunction()

# The command for one .proto. It takes output, flags and roots from trireme_generate().
function(trireme_generate_one target proto)
    cmake_path(ABSOLUTE_PATH proto BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} NORMALIZE)
    get_source_file_property(is_generated ${proto} GENERATED)
    if(NOT EXISTS ${proto} AND NOT is_generated)
        message(FATAL_ERROR "trireme_generate(${target}): there is no ${proto}")
    endif()
    set(root)
    foreach(directory IN LISTS roots)
        cmake_path(IS_PREFIX directory ${proto} NORMALIZE is_inside)
        if(is_inside)
            set(root ${directory})
            break()
        endif()
    endforeach()
    if(NOT root)
        cmake_path(GET proto PARENT_PATH root)
        list(PREPEND roots ${root})
    endif()
    cmake_path(RELATIVE_PATH proto BASE_DIRECTORY ${root} OUTPUT_VARIABLE name)

    list(TRANSFORM roots PREPEND -I OUTPUT_VARIABLE imports)
    string(REGEX REPLACE "\\.proto(devel)?$" "" stem ${name})
    # In protoc's order: Ninja wants the first one first in the depfile too.
    set(files ${output}/${stem}.pb-c.c ${output}/${stem}.pb-c.h
        ${output}/${stem}.trireme.c ${output}/${stem}.trireme.h)
    cmake_path(GET stem PARENT_PATH folder)
    file(MAKE_DIRECTORY ${output}/${folder})
    add_custom_command(
        OUTPUT ${files}
        COMMAND ${TRIREME_PROTOC} ${imports}
            --plugin=protoc-gen-trireme=$<TARGET_FILE:trireme::protoc-gen-trireme>
            ${flags} --trireme_out=${output} --dependency_out=${output}/${stem}.d ${name}
        DEPENDS ${proto} trireme::protoc-gen-trireme
        DEPFILE ${output}/${stem}.d
        COMMENT "Generating ${stem}.trireme.c"
        VERBATIM)
    # A proto2 float's default is written as a double.
    set_source_files_properties(${output}/${stem}.pb-c.c PROPERTIES
        COMPILE_OPTIONS -Wno-float-conversion)
    target_sources(${target} PRIVATE ${files})
endfunction()
