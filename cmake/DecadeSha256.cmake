# Which library computes SHA-256 (manifest/crypto/sha256.h). nettle uses the processor's SHA instructions; mbedTLS is there anyway, for signatures.
# Sets DECADE_SHA256_PROVIDER, and DECADE_SHA256_SOURCE, _INCLUDE_DIR, _LIBRARY and _LINK_NAME of the one that was chosen.
# Static ones first: a device then holds what it uses of them, 0.3 MiB of resident memory less than with the shared ones.
find_path(MBEDTLS_INCLUDE_DIR mbedtls/pk.h REQUIRED)
find_library(MBEDCRYPTO_LIBRARY NAMES libmbedcrypto.a mbedcrypto REQUIRED)
find_path(NETTLE_INCLUDE_DIR nettle/sha2.h)
find_library(NETTLE_LIBRARY NAMES libnettle.a nettle)

set(DECADE_SHA256 auto CACHE STRING "Who computes SHA-256: nettle (several times faster), mbedtls, or auto (nettle where it is found)")
set_property(CACHE DECADE_SHA256 PROPERTY STRINGS auto nettle mbedtls)

# Every one that can be built here: the tests compare them.
set(DECADE_SHA256_FOUND mbedtls)
if(NETTLE_INCLUDE_DIR AND NETTLE_LIBRARY)
  set(DECADE_SHA256_FOUND nettle mbedtls)
endif()

if(DECADE_SHA256 STREQUAL "auto")
  list(GET DECADE_SHA256_FOUND 0 DECADE_SHA256_PROVIDER)
elseif(DECADE_SHA256 IN_LIST DECADE_SHA256_FOUND)
  set(DECADE_SHA256_PROVIDER ${DECADE_SHA256})
elseif(DECADE_SHA256 STREQUAL "nettle")
  message(FATAL_ERROR "DECADE_SHA256=nettle, but nettle/sha2.h or libnettle is missing (Debian: nettle-dev); mbedtls and auto do without")
else()
  message(FATAL_ERROR "DECADE_SHA256=${DECADE_SHA256}: must be nettle, mbedtls or auto")
endif()
message(STATUS "SHA-256 by ${DECADE_SHA256_PROVIDER} (DECADE_SHA256=${DECADE_SHA256})")

# Sets PREFIX_SOURCE, _INCLUDE_DIR, _LIBRARY and _LINK_NAME of a provider.
function(decade_sha256_of provider prefix)
  if(provider STREQUAL "nettle")
    set(${prefix}_INCLUDE_DIR "${NETTLE_INCLUDE_DIR}" PARENT_SCOPE)
    set(${prefix}_LIBRARY "${NETTLE_LIBRARY}" PARENT_SCOPE)
    set(${prefix}_LINK_NAME nettle PARENT_SCOPE)
  else()
    set(${prefix}_INCLUDE_DIR "${MBEDTLS_INCLUDE_DIR}" PARENT_SCOPE)
    set(${prefix}_LIBRARY "${MBEDCRYPTO_LIBRARY}" PARENT_SCOPE)
    set(${prefix}_LINK_NAME mbedcrypto PARENT_SCOPE)
  endif()
  set(${prefix}_SOURCE "${CMAKE_SOURCE_DIR}/manifest/crypto/sha256_${provider}.c" PARENT_SCOPE)
endfunction()
decade_sha256_of(${DECADE_SHA256_PROVIDER} DECADE_SHA256)
