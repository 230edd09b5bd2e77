# decade_archive: libarchive. A program with the property DECADE_STATIC_ARCHIVE gets its tar reader from the static library where there is
# one: the shared one brings the libraries of every format that a device never reads (XML, Unicode tables, ACLs, five compressors),
# 2.5 MiB of resident memory.
find_package(LibArchive 3.6 REQUIRED)
find_library(DECADE_ARCHIVE_STATIC_LIBRARY NAMES libarchive.a)
mark_as_advanced(DECADE_ARCHIVE_STATIC_LIBRARY)
add_library(decade_archive INTERFACE)
target_include_directories(decade_archive INTERFACE ${LibArchive_INCLUDE_DIRS})
if(DECADE_ARCHIVE_STATIC_LIBRARY)
  target_link_libraries(decade_archive INTERFACE
    "$<IF:$<BOOL:$<TARGET_PROPERTY:DECADE_STATIC_ARCHIVE>>,${DECADE_ARCHIVE_STATIC_LIBRARY},${LibArchive_LIBRARIES}>")
else()
  target_link_libraries(decade_archive INTERFACE ${LibArchive_LIBRARIES})
endif()
