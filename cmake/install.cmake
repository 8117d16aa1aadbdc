# `cmake --install … --component ebb`, then `find_package(ebb [COMPONENTS json])`.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(package_dir ${CMAKE_INSTALL_DATADIR}/cmake/ebb) # headers only: nothing in it depends on the machine
install(TARGETS ebb EXPORT ebbTargets FILE_SET HEADERS COMPONENT ebb)
install(EXPORT ebbTargets NAMESPACE ebb:: DESTINATION ${package_dir} COMPONENT ebb)
if(EBB_JSON)
  install(TARGETS ebb_json EXPORT ebbJsonTargets FILE_SET HEADERS COMPONENT ebb)
  install(EXPORT ebbJsonTargets NAMESPACE ebb:: DESTINATION ${package_dir} COMPONENT ebb)
endif()

configure_package_config_file(cmake/ebbConfig.cmake.in ebbConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(ebbConfigVersion.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES ${PROJECT_BINARY_DIR}/ebbConfig.cmake ${PROJECT_BINARY_DIR}/ebbConfigVersion.cmake
  DESTINATION ${package_dir} COMPONENT ebb)
